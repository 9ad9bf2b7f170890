/*
 * The certificates of Key = ca:NAME in `sallyport route`: what one would say, for route_show.c, and
 * one to ask the machine about, for route_query.c.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "access/login_certificate.h"
#include "access/route_files.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/own_address.h"
#include "cli/route.h"
#include "cli/store_probe.h"
#include "cli/trial_errand.h"
#include "formats/pubkey.h"
#include "ipc/messages.h"
#include "transport/keys.h"

#define ROUTE_ISSUE_KEY_MAX 16384
/* The errand that asks an agent keeps to its time itself; this is for one that does not. */
#define ROUTE_ISSUE_SLACK_MS 3000

/* The terms for a user who logs in with a key without options, or for the way through a hop. */
static int
route_issue_terms(const struct find_route *f, const char *from, struct login_certificate *c,
    struct reason *why)
{
	const struct authorized_options all = { .permits = AUTHORIZED_ALL };
	const struct route *r = f->route;

	return login_certificate_make(r, r->mode == ROUTE_HOP ? NULL : &all,
	    r->user != NULL ? r->user : r->login, from, time(NULL), c, why);
}

static void
route_issue_print(const struct route *r, const struct login_certificate *c)
{
	char rest[LOGIN_CERTIFICATE_REST_SIZE];
	const char *auto_source = r->certificate_source_address;
	size_t i;

	for (i = 0; i < c->principals.n; i++)
		printf("%s %s\n", i == 0 ? "           for" : "           and", c->principals.v[i]);
	printf("           valid from %d s before the login to %d s after it, ",
	    r->certificate_skew_ms / 1000, r->certificate_lifetime_ms / 1000);
	if (c->source == NULL)
		puts("from any address");
	else if (auto_source == NULL || strcasecmp(auto_source, "auto") == 0)
		puts("from the gateway's address alone");
	else
		printf("from %s\n", c->source);
	if (c->command != NULL)
		printf("           with the command %s\n", c->command);
	fputs("           that permits", stdout);
	for (i = 0; i < CERT_EXTENSIONS; i++)
		if ((c->order.permits & cert_extensions[i].permits) != 0)
			printf(" %s", cert_extensions[i].name + strlen("permit-"));
	puts(c->order.permits == 0 ? " nothing more" : "");
	login_certificate_rest(r, rest);
	if (rest[0] != '\0')
		printf("           the session alone keeps %s\n", rest);
}

/* The public key of the authority: of the key store, or of an agent's in a file. */
static int
route_issue_public(const struct find_route *f, struct buf *blob, struct reason *why)
{
	const struct store_probe unopened = { .path = f->conf->keystore.path };

	return route_ca_agent(f->route) != NULL ?
	    route_authority(f->route, blob, why) :
	    store_probe_public(&unopened, route_ca(f->route), blob, why);
}

int
route_issue_show(const struct find_route *f)
{
	const char *name = route_ca(f->route), *agent = route_ca_agent(f->route);
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];
	struct login_certificate c = { 0 };
	struct reason why;
	struct buf blob;
	int err;

	buf_init(&blob, ROUTE_ISSUE_KEY_MAX);
	err = route_issue_public(f, &blob, &why);
	if (err == 0 &&
	    (pubkey_type(buf_bytes(&blob), type) != 0 || cert_ca_algorithm(type) == NULL)) {
		reason_set(&why, "cannot sign certificates: it is of another type");
		err = ERR_ALGORITHM;
	}
	if (err != 0) {
		printf("key        %s: %s\n", f->route->key, why.text);
		goto out;
	}
	pubkey_fingerprint(buf_bytes(&blob), fingerprint);
	printf("key        a certificate for each login, by the authority %s (%s %s)%s%s\n", name,
	    pubkey_type_short(type), fingerprint, agent != NULL ? " in the agent " : "",
	    agent != NULL ? agent : "");
	err = agent != NULL ? 0 :
			      store_probe_one(&f->conf->keystore, &f->as, KEYSTORE_KEY, name, &why);
	if (err != 0)
		printf("           which can't be used: %s\n", why.text);
	/* any address, to see whether the certificate names one */
	if (err == 0 && (err = route_issue_terms(f, "192.0.2.1", &c, &why)) != 0)
		printf("           which can't be made: %s\n", why.text);
	else if (err == 0)
		route_issue_print(f->route, &c);
out:
	login_certificate_free(&c);
	buf_free(&blob);
	return err == 0 ? CLI_OK : CLI_FAILED;
}

/* Sign with the key of the store. */
static int
route_issue_by_store(const struct find_route *f, struct bytes ca, struct bytes data,
    const char *alg, struct buf *sig, struct reason *why)
{
	struct store_probe store = { 0 };
	struct secret *priv = NULL;
	struct buf pub;
	char type[64];
	int err;

	buf_init(&pub, ROUTE_ISSUE_KEY_MAX);
	err = store_probe_open(&store, &f->conf->keystore, &f->as, why);
	if (err == 0 && store.ks == NULL) {
		reason_set(why, "the key store cannot be unlocked here");
		err = ERR_AUTH;
	}
	if (err == 0)
		err = keystore_load(store.ks, route_ca(f->route), &priv, &pub, type, why);
	if (err == 0 && !bytes_equal(ca, buf_bytes(&pub))) {
		reason_set(why, "%s.pub is the public half of another key", route_ca(f->route));
		err = ERR_AUTH;
	}
	if (err == 0 && (err = key_sign(priv, type, alg, data.p, data.len, sig)) != 0)
		reason_set(why, "%s", err_str(err));
	secret_free(&priv);
	buf_free(&pub);
	store_probe_close(&store);
	return err;
}

/* Have an agent sign, by the errand that asks it at a login. */
static int
route_issue_by_agent(const struct find_route *f, struct bytes ca, struct bytes data,
    const char *alg, struct buf *sig, struct reason *why)
{
	const struct route *r = f->route;
	const struct ipc_ca_sign m = { .timeout_ms = (uint32_t)r->connect_timeout_ms,
		.path = route_ca_agent(r),
		.ca = ca,
		.alg = alg,
		.data = data };
	const int64_t deadline = clock_ms() + r->connect_timeout_ms + ROUTE_ISSUE_SLACK_MS;
	struct trial_errand errand;
	struct bytes signature;
	struct ipc_msg msg;
	struct buf order;
	uint8_t flags;
	int err;

	ipc_begin(&order, IPC_CA_SIGN);
	ipc_ca_sign_put(&order, &m);
	err = trial_errand_start(&errand, &f->as, "role-ca", &order);
	if (err == 0)
		err = trial_errand_receive(&errand, IPC_PHASE_UPSTREAM_AUTH, deadline, &msg);
	if (err == 0) {
		signature = wire_string(&msg.body);
		wire_text(&msg.body, why->text, sizeof(why->text));
		buf_put(sig, signature.p, signature.len);
		err = msg.type != IPC_CA_SIGNED || wire_end(&msg.body) != 0 ? ERR_FORMAT :
									      buf_err(sig);
	}
	if (err != 0)
		reason_set(why, "the errand that asks the agent: %s", err_str(err));
	else if (sig->len == 0)
		err = ERR_AUTH;
	else if ((err = key_verify(ca, alg, buf_bytes(sig), data.p, data.len, &flags)) != 0)
		reason_set(why, "the agent's signature: %s", err_str(err));
	trial_errand_end(&errand, &f->as);
	return err;
}

/* Sign a certificate for a new key, whose private half is thrown away: the machine is asked whether
 * it would take it, and nobody logs in. */
static int
route_issue_sign(const struct find_route *f, struct cert_order *order, struct buf *public,
    struct buf *certificate, struct reason *why)
{
	struct secret *priv = NULL;
	char type[64], pair[64];
	struct buf ca, sig;
	const char *alg = NULL;
	int err;

	buf_init(&ca, ROUTE_ISSUE_KEY_MAX);
	buf_init(&sig, ROUTE_ISSUE_KEY_MAX);
	err = route_issue_public(f, &ca, why);
	if (err != 0)
		goto out;
	err = key_generate("ed25519", &priv, public, pair);
	order->key = buf_bytes(public);
	if (err == 0)
		err = cert_begin(certificate, order, buf_bytes(&ca));
	if (err == 0)
		err = pubkey_type(buf_bytes(&ca), type);
	if (err == 0 && (alg = cert_ca_algorithm(type)) == NULL)
		err = ERR_ALGORITHM;
	if (err != 0) {
		reason_set(why, "%s", err_str(err));
		goto out;
	}
	err = route_ca_agent(f->route) != NULL ?
	    route_issue_by_agent(f, buf_bytes(&ca), buf_bytes(certificate), alg, &sig, why) :
	    route_issue_by_store(f, buf_bytes(&ca), buf_bytes(certificate), alg, &sig, why);
	if (err == 0 && (err = cert_end(certificate, buf_bytes(&sig))) != 0)
		reason_set(why, "%s", err_str(err));
out:
	secret_free(&priv);
	buf_free(&ca);
	buf_free(&sig);
	return err;
}

int
route_issue_make(const struct find_route *f, const char *host, struct buf *public,
    struct buf *certificate, struct reason *why)
{
	struct strlist own = { 0 };
	struct login_certificate c = { 0 };
	struct buf from;
	size_t i;
	int err;

	buf_init(&from, 4096);
	/* a host of several addresses may be reached from several */
	(void)own_addresses(host, f->route->port, &own);
	for (i = 0; i < own.n; i++)
		buf_putf(&from, "%s%s", i > 0 ? "," : "", own.v[i]);
	err = route_issue_terms(f, own.n > 0 ? own.v[0] : "", &c, why);
	if (c.source != NULL && own.n > 0 && strcmp(c.source, own.v[0]) == 0)
		c.order.source_address = buf_cstr(&from);
	c.order.key_id = "sallyport route --dial";
	if (err == 0)
		err = route_issue_sign(f, &c.order, public, certificate, why);
	login_certificate_free(&c);
	strlist_free(&own);
	buf_free(&from);
	return err;
}
