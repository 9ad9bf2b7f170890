/*
 * What `sallyport route` prints of a route: by the functions that the keeper calls at a login
 * (access/), with the user of the keeper.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "access/host_key.h"
#include "access/host_key_add.h"
#include "access/policy_from_route.h"
#include "access/route_files.h"
#include "access/user_key.h"
#include "base/access_hint.h"
#include "base/fd.h"
#include "cli/cli.h"
#include "cli/route.h"
#include "cli/store_probe.h"
#include "formats/cert.h"
#include "formats/known_hosts.h"
#include "lookup/hop.h"
#include "lookup/program.h"
#include "formats/pubkey.h"

/* A public key or certificate. */
#define KEY_MAX 65536

static const char route_show_algorithms[] =
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,"
    "rsa-sha2-256,sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com";

/* Why a file cannot be opened, by errno. */
static const char *
route_show_why_not(const char *path, struct reason *why)
{
	if (errno == EACCES)
		(void)access_hint(path, R_OK, why);
	else
		reason_set(why, "%s", strerror(errno));
	return why->text;
}

static const char *
route_show_describe(struct bytes blob, char out[160])
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];

	pubkey_fingerprint(blob, fingerprint);
	if (pubkey_type(blob, type) != 0)
		type[0] = '\0';
	snprintf(out, 160, "%s %s", pubkey_type_short(type), fingerprint);
	return out;
}

/* --- what the gateway logs in upstream with --- */

/* CertificateFile, for the mapped key. */
static int
route_show_certificate(const struct route *r, struct bytes key)
{
	char text[CERT_SHOW_SIZE];
	struct reason why;
	struct cert cert;
	struct buf blob;
	int err;

	buf_init(&blob, KEY_MAX);
	err = route_certificate(r, key, time(NULL), &blob, &why);
	if (err == 0 && cert_parse(&cert, buf_bytes(&blob)) == 0)
		printf("           with the certificate %s: %s\n", r->certificate_file,
		    cert_show(&cert, text));
	else
		printf("           without its certificate: %s\n", why.text);
	buf_free(&blob);
	return err;
}

/* The mapped key in a file of the route's. */
static int
route_show_key_file(const struct route *r)
{
	struct reason why, hint;
	struct route_key key;
	int err;

	err = route_key_open(r, NULL, &key, &why);
	if (err == ERR_SYS || err == ERR_NOTFOUND)
		printf("key        %s: %s\n", r->key_file, route_show_why_not(r->key_file, &hint));
	else
		printf("key        %s\n", err == 0 ? r->key_file : why.text);
	if (err == 0 && r->certificate_file != NULL)
		err = route_show_certificate(r, buf_bytes(&key.pub));
	route_key_close(&key);
	return err == 0 ? CLI_OK : CLI_FAILED;
}

/* The mapped key in the key store. */
static int
route_show_stored_key(const struct find_route *f)
{
	const struct route *r = f->route;
	const struct store_probe unopened = { .path = f->conf->keystore.path };
	struct reason why;
	struct buf blob;
	char text[160];
	int err;

	buf_init(&blob, KEY_MAX);
	err = store_probe_public(&unopened, r->key, &blob, &why);
	if (err != 0) {
		printf("key        %s: %s\n", r->key, why.text);
		goto out;
	}
	printf("key        %s (%s)\n", r->key, route_show_describe(buf_bytes(&blob), text));
	err = store_probe_one(&f->conf->keystore, &f->as, KEYSTORE_KEY, r->key, &why);
	if (err != 0)
		printf("           which can't be used: %s\n", why.text);
	if (err == 0 && r->certificate_file != NULL)
		err = route_show_certificate(r, buf_bytes(&blob));
out:
	buf_free(&blob);
	return err == 0 ? CLI_OK : CLI_FAILED;
}

static int
route_show_key(const struct find_route *f)
{
	const struct route *r = f->route;
	if (r->agent)
		puts("key        the user's own agent (ssh -A)");
	else if (route_ca(r) != NULL)
		return route_issue_show(f);
	else if (r->key != NULL)
		return route_show_stored_key(f);
	else if (r->key_file != NULL)
		return route_show_key_file(r);
	else if (r->password == NULL)
		puts("key        none: the user's password or answers go to the upstream");
	return CLI_OK;
}

/* A password or TOTP secret of the key store, whose name may be NULL. */
static int
route_show_stored(const struct find_route *f, enum keystore_kind kind, const char *what,
    const char *name)
{
	struct reason why;
	int err;

	if (name == NULL)
		return CLI_OK;
	err = store_probe_one(&f->conf->keystore, &f->as, kind, name, &why);
	if (err == ERR_NOTFOUND && kind == KEYSTORE_TOTP &&
	    store_probe_is_made(f->conf->keystore.path))
		reason_set(&why,
		    "there is no such TOTP secret; make it with: sallyport totp enroll %s",
		    f->route->login);
	printf("%s %s%s%s\n", what, name, err == 0 ? "" : ": ", err == 0 ? "" : why.text);
	return err == 0 ? CLI_OK : CLI_FAILED;
}

/* sshpiper's file in a directory of [lookup directory]. */
static int
route_show_totp_file(const struct route *r)
{
	struct totp secret;
	struct reason why;
	int err = route_totp_open(r, NULL, &secret, &why);

	sodium_memzero(&secret, sizeof(secret));
	printf("factor     a code of the secret in %s\n", err == 0 ? r->totp_file : why.text);
	return err == 0 ? CLI_OK : CLI_FAILED;
}

/* The machines that the way leads through, in its order. */
static int
route_show_hops(const struct find_route *f)
{
	const struct route *r;
	struct hops hops;
	struct reason why;
	size_t i;

	if (hops_find(f->lookup, f->route, &hops, &why) != 0) {
		printf("through    %s\n", why.text);
		return CLI_FAILED;
	}
	for (i = hops.n; i > 0; i--) {
		r = hops.v[i - 1];
		printf("%s %s@%s port %u (%s)\n", i == hops.n ? "through   " : "then      ",
		    r->user != NULL ? r->user : r->login, r->hosts.v[0], r->port, r->name);
	}
	hops_free(&hops);
	return CLI_OK;
}

/* The proxy, and the password for it. */
static int
route_show_via(const struct find_route *f)
{
	if (f->route->connect_via == NULL)
		return CLI_OK;
	printf("via        %s\n", f->route->connect_via);
	if (f->route->connect_via_ca != NULL)
		printf("           certified by %s\n", f->route->connect_via_ca);
	return route_show_stored(f, KEYSTORE_PASSWORD, "           with the password",
	    f->route->connect_via_password);
}

/* --- who may log in --- */

/* Would a client with this key that a list has be let in?  0, or an ERR_* with why. */
static int
route_show_usable(const struct conf *conf, const struct route *r, struct bytes blob,
    const struct authorized_options *options, struct reason *why)
{
	struct buf policy;
	char type[64];
	int err;

	if (pubkey_type(blob, type) == 0 &&
	    !user_key_type_accepted(type, user_key_algorithms(r, conf))) {
		reason_set(why, "PubkeyAcceptedAlgorithms has no algorithm of such keys");
		return ERR_AUTH;
	}
	buf_init(&policy, POLICY_BYTES_MAX);
	err = policy_from_route(r, options, 0, &policy, why);
	buf_free(&policy);
	return err;
}

/* What the signature of a security key has to show. */
static void
route_show_security_key(struct bytes blob, const struct authorized_options *options)
{
	char type[64];

	if (pubkey_type(blob, type) != 0 || strncmp(type, "sk-", 3) != 0)
		return;
	if (!options->no_touch_required)
		puts("           refused if it signs without a touch");
	if (options->verify_required)
		puts("           refused if it signs without verification of its owner, such as by "
		     "a PIN");
}

static int
route_show_may(const struct route_args *a, const struct conf *conf, const struct route *r)
{
	const struct user_key_request request = { .route = r,
		.login = r->login,
		.address = a->from != NULL ? a->from : "0.0.0.0",
		.now = time(NULL) };
	struct user_key_answer answer = { 0 };
	struct reason why;
	char text[160], id[CERT_SHOW_SIZE];
	const struct bytes blob = buf_bytes(&a->blob);
	struct cert cert;
	int err = 0;

	if (cert_parse(&cert, blob) == 0)
		printf("--key      %s\n", cert_show(&cert, id));
	route_show_describe(blob, text);
	if (user_key_allowed(&request, blob, &answer)) {
		err = route_show_usable(conf, r, blob, &answer.options, &why);
		printf("--key      %s may%s log in: %s%s%s\n", text, err == 0 ? "" : " not",
		    answer.where, err == 0 ? "" : ": ", err == 0 ? "" : why.text);
		if (err == 0)
			route_show_security_key(blob, &answer.options);
	} else {
		err = ERR_AUTH;
		printf("--key      %s may not log in: %s%s\n", text,
		    answer.why.text[0] != '\0' ? answer.why.text :
						 "it is not in any list of this route",
		    a->from == NULL &&
			    (strstr(answer.why.text, "from=") != NULL ||
				strstr(answer.why.text, "source-address") != NULL) ?
			" (try --from ADDRESS)" :
			"");
	}
	authorized_options_free(&answer.options);
	return err == 0 ? CLI_OK : CLI_FAILED;
}

/* Print one of the route's lists of keys: keys that may log in, authorities, or revoked keys. */
static int
route_show_list(const struct route *r, enum user_key_list list, const char *what, const char *path)
{
	struct reason why, hint;
	int err;

	if (path == NULL)
		return CLI_OK;
	err = user_key_list_check(r, list, &why);
	printf("who        %s %s", what, path);
	if (err == ERR_SYS || err == ERR_NOTFOUND)
		printf(" (can't be read!): %s", route_show_why_not(path, &hint));
	else if (err != 0)
		printf(" (refused!): %s", why.text);
	putchar('\n');
	return err == 0 ? CLI_OK : CLI_FAILED;
}

static int
route_show_factor(const struct route *r)
{
	struct reason why;
	int err = program_check(&r->file_rule, route_factor_command(r), &why);

	printf("factor     what the program %s asks%s%s\n", route_factor_command(r),
	    err == 0 ? "" : ": ", err == 0 ? "" : why.text);
	return err == 0 ? CLI_OK : CLI_FAILED;
}

static int
route_show_proofs(const struct find_route *f)
{
	const struct route *r = f->route;
	int status, other;
	size_t i;

	status = route_show_list(r, USER_KEY_AUTHORIZED, "the keys in", r->authorized_keys_file);
	if (r->authorized_keys.n > 0)
		printf("who        %zu AuthorizedKey line%s\n", r->authorized_keys.n,
		    r->authorized_keys.n == 1 ? "" : "s");
	other = route_show_list(r, USER_KEY_TRUSTED, "the certificates of the CAs in",
	    r->trusted_user_ca_keys);
	status = status != CLI_OK ? status : other;
	for (i = 0; i < r->authorized_principals.n; i++)
		printf("%s %s\n",
		    i == 0 ? "           with principal" : "                       or",
		    r->authorized_principals.v[i]);
	other = route_show_list(r, USER_KEY_REVOKED, "but no key that is revoked in",
	    r->revoked_keys);
	status = status != CLI_OK ? status : other;
	if (r->password_hash != NULL)
		puts("who        the password of PasswordHash");
	if (r->passthrough)
		puts("who        anybody whom the upstream lets in with a password or answers");
	if (r->totp_file != NULL)
		other = route_show_totp_file(r);
	else
		other = route_show_stored(f, KEYSTORE_TOTP, "factor     a code of the TOTP secret",
		    r->totp);
	status = status != CLI_OK ? status : other;
	if (r->factor != NULL) {
		other = route_show_factor(r);
		status = status != CLI_OK ? status : other;
	}
	if (r->authentication_methods.n > 0 || r->totp != NULL || r->factor != NULL)
		for (i = 0; i < r->methods.n; i++)
			printf("%s %s\n", i == 0 ? "methods   " : "        or", r->methods.v[i]);
	return status;
}

/* --- the upstream --- */

/* What the known hosts have of one host of the route. */
static void
route_show_host_key(const struct route *r, const char *host, const struct buf *text)
{
	static const char *const unknown[] = {
		[ROUTE_STRICT_YES] = "none is known: connections will be refused",
		[ROUTE_STRICT_ACCEPT_NEW] = "none is known: the first one seen will be stored",
		[ROUTE_STRICT_NO] = "none is known, and any is accepted",
	};
	const char *known = (const char *)text->data;
	struct buf types;
	int authority;

	buf_init(&types, 4096);
	known_hosts_algorithms(known, text->len, host, r->port, route_show_algorithms, 1, &types);
	authority = known_hosts_has_authority(known, text->len, host, r->port);
	if (authority)
		printf("host key   %s port %u: a certificate, by an authority that is known\n",
		    host, r->port);
	if (types.len > 0)
		printf("host key   %s port %u: known for %.*s\n", host, r->port, (int)types.len,
		    (const char *)types.data);
	else if (!authority && r->host_key_fingerprints.n == 0)
		printf("host key   %s port %u: %s\n", host, r->port, unknown[r->strict]);
	buf_free(&types);
}

static int
route_show_host_keys(const struct find_route *f)
{
	const struct route *r = f->route;
	struct reason why, hint;
	int status = CLI_OK, learns, err, fd;
	struct buf text;
	size_t i;

	for (i = 0; i < r->known_hosts_files.n; i++) {
		err = route_file_open(r, r->known_hosts_files.v[i], &fd, &why);
		fd_close(&fd);
		if (err == ERR_SYS || err == ERR_NOTFOUND)
			reason_set(&why, "%s",
			    route_show_why_not(r->known_hosts_files.v[i], &hint));
		if (err != 0)
			printf("host key   %s: %s\n", r->known_hosts_files.v[i], why.text);
		if (err != 0 && err != ERR_NOTFOUND)
			status = CLI_FAILED;
	}
	buf_init(&text, KNOWN_HOSTS_MAX);
	if (host_key_read_known(r, &text, &why) != 0) {
		if (status == CLI_OK)
			printf("host key   %s\n", why.text);
		status = CLI_FAILED;
	}
	for (i = 0; i < r->host_key_fingerprints.n; i++)
		printf("host key   %s\n", r->host_key_fingerprints.v[i]);
	for (i = 0; i < r->hosts.n; i++)
		route_show_host_key(r, r->hosts.v[i], &text);
	buf_free(&text);
	learns = as_user_other(&f->as) && status == CLI_OK ? host_key_add_check(r, &why) : 0;
	if (learns != 0)
		printf("host key   %s\n", why.text);
	return learns < 0 ? CLI_FAILED : status;
}

/* --- all of it --- */

int
route_show(const struct route_args *a, const struct find_route *f)
{
	const struct route *r = f->route;
	const char *user = r->user != NULL ? r->user : r->login;
	int status, other;
	size_t i;

	if (strcmp(r->login, a->login) == 0)
		printf("login      %s\n", a->login);
	else
		printf("login      %s, without its style: %s\n", a->login, r->login);
	printf("found by   %s: [route %s] at %s\n", r->backend, r->name, r->source);
	for (i = 0; i < r->hosts.n; i++)
		printf("%s %s@%s port %u\n", i == 0 ? "leads to  " : "or, then  ", user,
		    r->hosts.v[i], r->port);
	for (i = 0; i < r->destinations.n; i++)
		printf("%s %s\n",
		    i > 0		      ? "or to     " :
			r->mode == ROUTE_JUMP ? "jump to   " :
						"only to   ",
		    r->destinations.v[i]);
	if (r->mode == ROUTE_TUNNEL && r->tunnel_names.n == 0)
		printf("holds      %s\n", r->login);
	for (i = 0; i < r->tunnel_names.n; i++)
		printf("%s %s\n", i == 0 ? "holds     " : "or        ", r->tunnel_names.v[i]);
	status = route_show_hops(f);
	other = route_show_via(f);
	status = status != CLI_OK ? status : other;
	if (r->mode == ROUTE_HOP)
		puts("who        nobody: it is for ProxyJump of other routes (Mode = hop)");
	other = route_show_proofs(f);
	status = status != CLI_OK ? status : other;
	if (r->mode == ROUTE_LOGIN || r->mode == ROUTE_HOP) {
		other = route_show_key(f);
		status = status != CLI_OK ? status : other;
		other = route_show_stored(f, KEYSTORE_PASSWORD, "password  ", r->password);
		status = status != CLI_OK ? status : other;
		other = route_show_host_keys(f);
		status = status != CLI_OK ? status : other;
	}
	if (a->key != NULL) {
		other = route_show_may(a, f->conf, r);
		status = status != CLI_OK ? status : other;
	}
	if (a->dial) {
		other = route_dial(a, f);
		status = status != CLI_OK ? status : other;
	}
	return status;
}
