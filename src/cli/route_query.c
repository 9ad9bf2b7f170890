/*
 * The mapped key in a trial connection: what the upstream is asked about it, and a line about the
 * answer.  Called by route_dial.c.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "access/route_files.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/keyscan.h"
#include "cli/route.h"
#include "cli/store_probe.h"
#include "formats/pubkey.h"

/* A public key or certificate. */
#define ROUTE_QUERY_KEY_MAX 65536

/* The public half of the mapped key.  0 or an ERR_*, which route_show.c has reported. */
static int
route_query_public(const struct find_route *f, struct route_query *q)
{
	const struct store_probe unopened = { .path = f->conf->keystore.path };
	const struct route *r = f->route;
	struct route_key key;
	struct reason why;
	int err;

	if (r->key != NULL)
		return store_probe_public(&unopened, r->key, &q->public, &why);
	err = route_key_open(r, NULL, &key, &why);
	if (err == 0)
		buf_put(&q->public, key.pub.data, key.pub.len);
	route_key_close(&key);
	return err == 0 ? buf_err(&q->public) : err;
}

void
route_query_begin(struct route_query *q, const struct route_args *a, const struct find_route *f,
    struct keyscan *t)
{
	const struct route *r = f->route;
	const char *name = r->key != NULL ? r->key : r->key_file;
	struct reason why;

	*q = (struct route_query){ 0 };
	buf_init(&q->public, ROUTE_QUERY_KEY_MAX);
	buf_init(&q->certificate, ROUTE_QUERY_KEY_MAX);
	snprintf(q->user, sizeof(q->user), "%s", r->user != NULL ? r->user : a->login);
	snprintf(q->name, sizeof(q->name), "%s", name != NULL ? name : "");
	if (r->agent || name == NULL)
		return;
	if (route_ca(r) != NULL &&
	    route_issue_make(f, t->host, &q->public, &q->certificate, &q->no_certificate) != 0)
		return;
	if (route_ca(r) == NULL && route_query_public(f, q) != 0)
		return;
	if (r->certificate_file != NULL &&
	    route_certificate(r, buf_bytes(&q->public), time(NULL), &q->certificate, &why) != 0)
		buf_reset(&q->certificate);
	t->user = q->user;
	t->public = buf_bytes(&q->public);
	t->certificate = buf_bytes(&q->certificate);
}

void
route_query_end(struct route_query *q)
{
	buf_free(&q->public);
	buf_free(&q->certificate);
}

/* What no trial can find out, of a route without a mapped key. */
static void
route_query_other(const struct route *r, struct buf *line)
{
	if (r->agent)
		buf_putf(line,
		    "the key is one of the user's agent, so a login alone shows whether "
		    "the upstream takes it");
	else if (r->password != NULL)
		buf_putf(line,
		    "a login alone shows whether the upstream takes the stored password");
	else if (r->passthrough)
		buf_putf(line,
		    "a login alone shows whether the upstream takes what the user types");
}

/* Does the upstream verify no signature that the gateway makes with this key?  It may say all the same
 * that it takes the key. */
static int
route_query_no_algorithm(const struct keyscan *t)
{
	const char *algs = t->answer.sig_algs;
	char type[64];

	return algs[0] != '\0' && pubkey_type(t->public, type) == 0 &&
	    strcmp(type, "ssh-rsa") == 0 && !namelist_has(algs, "rsa-sha2-512") &&
	    !namelist_has(algs, "rsa-sha2-256");
}

/* The upstream takes no certificate of the gateway's. */
static void
route_query_no_certificate(const struct route_query *q, const struct keyscan *t, const char *at,
    struct buf *line)
{
	const char *name = route_ca(t->route);

	buf_putf(line, "%s does not take a certificate by the authority %s: ", at, name);
	if (!namelist_has(t->answer.methods, "publickey"))
		buf_putf(line, "it takes no keys at all for this user; it offers %s",
		    t->answer.methods[0] != '\0' ? t->answer.methods : "nothing");
	else
		buf_putf(line,
		    "put the line of `sallyport ca public %s` into the file of TrustedUserCAKeys "
		    "there; then its log says why: look at the principals (is one of them %s, or in "
		    "AuthorizedPrincipalsFile?), at its clock, and at CertificateSourceAddress",
		    name, q->user);
	if (t->route->password != NULL)
		buf_putf(line, "; a login tries the stored password as well, and a trial does not");
}

/* The upstream takes no key of the gateway's. */
static void
route_query_refused(const struct route_query *q, const struct route_args *a,
    const struct keyscan *t, const char *at, struct buf *line)
{
	const struct route *r = t->route;

	buf_putf(line, "%s does not take the mapped key %s: ", at, q->name);
	if (!namelist_has(t->answer.methods, "publickey"))
		buf_putf(line, "it takes no keys at all for this user; it offers %s",
		    t->answer.methods[0] != '\0' ? t->answer.methods : "nothing");
	else if (r->key != NULL)
		buf_putf(line,
		    "add what `sallyport key public %s --for %s%s%s` prints to the "
		    "authorized_keys of %s there",
		    r->key, a->login, a->dir != NULL ? " -c " : "", a->dir != NULL ? a->dir : "",
		    q->user);
	else
		buf_putf(line, "add its public half to the authorized_keys of %s there", q->user);
	if (r->password != NULL)
		buf_putf(line, "; a login tries the stored password as well, and a trial does not");
}

int
route_query_line(const struct route_query *q, const struct route_args *a, const struct keyscan *t,
    struct buf *line)
{
	const char *ca = route_ca(t->route), *name = ca != NULL ? ca : q->name;
	const char *what = ca != NULL ? "a certificate by the authority " : "the mapped key ";
	char at[600];

	snprintf(at, sizeof(at), "%s@%s", q->user, t->host);
	if (q->name[0] == '\0' || t->route->agent) {
		route_query_other(t->route, line);
		return CLI_OK;
	}
	if (t->user == NULL && q->no_certificate.text[0] != '\0') {
		buf_putf(line, "%s was not asked: no certificate: %s", at, q->no_certificate.text);
		return CLI_FAILED;
	}
	if (t->user == NULL)
		return CLI_OK; /* it cannot be read, as another line says */
	if (!t->queried) {
		buf_putf(line,
		    "%s was not asked whether it takes %s%s: its host key is not known yet", at,
		    what, name);
		return CLI_OK;
	}
	if (t->answer.reason[0] != '\0') {
		buf_putf(line, "%s: asked whether it takes %s%s: %s", at, what, name,
		    t->answer.reason);
		return CLI_FAILED;
	}
	if (route_query_no_algorithm(t)) {
		buf_putf(line,
		    "%s: the mapped key %s is an RSA key, and the upstream takes no signatures with "
		    "rsa-sha2-512 or rsa-sha2-256 (it takes %s): use an ed25519 key",
		    at, q->name, t->answer.sig_algs);
		return CLI_FAILED;
	}
	switch (t->answer.taken) {
	case IPC_TAKEN_CERTIFICATE:
		buf_putf(line, "%s takes %s%s%s", at, ca != NULL ? "" : "the certificate of ", what,
		    name);
		return CLI_OK;
	case IPC_TAKEN_KEY:
		buf_putf(line, "%s takes the mapped key %s%s", at, q->name,
		    t->certificate.len > 0 ? ", but not its certificate" : "");
		return CLI_OK;
	case IPC_TAKEN_NONE:
		if (ca != NULL)
			route_query_no_certificate(q, t, at, line);
		else
			route_query_refused(q, a, t, at, line);
	}
	return t->route->password != NULL ? CLI_OK : CLI_FAILED;
}
