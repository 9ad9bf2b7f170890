/*
 * --client-certificate of `sallyport route`: a certificate that a TLS client might show, and what ClientRules say of it.
 * Called by route.c.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "access/tls_files.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/route.h"

void
route_certificate_free(struct route_certificate *c)
{
	ipc_tls_done_free(&c->facts);
}

int
route_certificate_read(const struct buf *pem, struct route_certificate *c, struct reason *why)
{
	static char no_passphrase[] = "";
	BIO *in = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *x = in == NULL ? NULL : PEM_read_bio_X509(in, NULL, NULL, no_passphrase);
	size_t i;
	int r;

	*c = (struct route_certificate){ 0 };
	BIO_free(in);
	ERR_clear_error();
	if (x == NULL) {
		reason_set(why, "not a PEM certificate");
		return ERR_FORMAT;
	}
	r = certificate_read(x, &c->texts, &c->facts, why);
	X509_free(x);
	if (r != 0)
		return r;
	for (i = 0; i < c->facts.fingerprint.len; i++)
		snprintf(c->fingerprint + 2 * i, 3, "%02x", c->facts.fingerprint.p[i]);
	c->certificate = (struct lookup_certificate){ c->fingerprint, c->facts.cn, &c->facts.units,
		&c->facts.names };
	return 0;
}

static void
route_certificate_print(const char *what, const char *name)
{
	char shown[IPC_TLS_NAME_SIZE * 4];

	printf("           %s%s\n", what, log_vis(shown, sizeof(shown), name, strlen(name)));
}

/* The line of ClientRules that decides. */
static int
route_certificate_rules(const struct route_args *a, const struct conf *conf,
    const struct conf_tls *t)
{
	const struct client_rules_request q = { &a->certificate.certificate, a->login, a->host_name,
		a->from != NULL ? a->from : "0.0.0.0" };
	struct conf_errors errors = { 0 };
	struct client_rules *rules;
	unsigned int line;
	int allowed;

	if (t->client_rules == NULL)
		return CLI_OK;
	if (tls_files_rules(conf, t, &rules, &errors) != 0) {
		conf_errors_print(&errors, stderr);
		conf_errors_free(&errors);
		return CLI_CONFIG;
	}
	allowed = client_rules_allow(rules, &q, &line);
	client_rules_free(&rules);
	if (line == 0)
		printf("           denied: no line of %s holds%s\n", t->client_rules,
		    a->from == NULL ? " (a line with from= needs --from ADDRESS)" : "");
	else
		printf("           %s by %s:%u\n", allowed ? "allowed" : "denied", t->client_rules,
		    line);
	return allowed ? CLI_OK : CLI_FAILED;
}

int
route_certificate_show(const struct route_args *a, const struct conf *conf)
{
	const struct lookup_certificate *c = &a->certificate.certificate;
	const struct conf_tls *t = conf_tls_for(conf, a->host_name);
	size_t i;

	printf("client     certificate SHA256 %s\n", c->fingerprint);
	route_certificate_print("CN=", c->cn);
	for (i = 0; i < c->units->n; i++)
		route_certificate_print("OU=", c->units->v[i]);
	for (i = 0; i < c->names->n; i++)
		route_certificate_print("", c->names->v[i]);
	if (t == NULL) {
		printf("           refused: no [tls] section is for %s\n",
		    a->host_name[0] != '\0' ? a->host_name : "clients without --host");
		return CLI_FAILED;
	}
	if (t->client_ca.n == 0) {
		printf("           not asked for: [tls %s] has no ClientCA\n", t->name);
		return CLI_FAILED;
	}
	printf("           shown to [tls %s] at %s:%u\n", t->name, t->file, t->line);
	return route_certificate_rules(a, conf, t);
}
