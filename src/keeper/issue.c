/*
 * Issuing certificates (issue.h): called by upstream*.c and passthrough.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "access/login_certificate.h"
#include "formats/cert.h"
#include "formats/pubkey.h"
#include "keeper/downstream_factor.h"
#include "keeper/ksession.h"
#include "keystore/keystore.h"
#include "lookup/route.h"
#include "state/state.h"
#include "transport/keys.h"
#include "wire/methods.h"

#define ISSUE_SIGNATURE_MAX 16384
#define ISSUE_PUB_MAX 16384

void
issue_free(struct issue *issue)
{
	secret_free(&issue->priv);
	buf_free(&issue->pub);
	buf_free(&issue->ca);
	buf_free(&issue->certificate);
	*issue = (struct issue){ 0 };
}

int
issue_wanted(const struct ksession *s)
{
	return s->up.issue.state == ISSUE_NONE && route_ca(s->route) != NULL;
}

int
issue_waits(const struct ksession *s)
{
	return s->up.issue.state == ISSUE_WAITS;
}

/* --- the key id --- */

/* The proof that the client has just given: "key SHA256:...", "password", "totp". */
static void
issue_proof(const struct ksession *s, char out[ISSUE_PROOFS_SIZE])
{
	const char *method = downstream_method(s), *device = strchr(method, ':');
	const char *key = auth_server_fingerprint(s->down.auth);
	struct cert cert;
	char id[100], *p;

	if (key[0] == '\0') {
		/* keyboard-interactive is how PAM asks for a password */
		snprintf(out, ISSUE_PROOFS_SIZE, "%s",
		    device != NULL			   ? device + 1 :
			strcmp(method, METHOD_KBDINT) == 0 ? METHOD_PASSWORD :
							     method);
	} else if (cert_parse(&cert, auth_server_key(s->down.auth)) == 0) {
		log_vis(id, sizeof(id), cert.key_id.p, cert.key_id.len);
		for (p = id; (p = strchr(p, '"')) != NULL;)
			*p = '\'';
		snprintf(out, ISSUE_PROOFS_SIZE, "certificate ID \"%s\"", id);
	} else {
		snprintf(out, ISSUE_PROOFS_SIZE, "key %s", key);
	}
}

void
issue_note_proof(struct ksession *s)
{
	char *proofs = s->down.proofs, proof[ISSUE_PROOFS_SIZE];
	size_t len = strlen(proofs);

	issue_proof(s, proof);
	snprintf(proofs + len, sizeof(s->down.proofs) - len, "%s%s", len > 0 ? "+" : "", proof);
}

/* The machine's log has it behind the name of the user there: all bytes are printable. */
static void
issue_set_id(struct ksession *s)
{
	const struct ksession *session = hop_session_of(s);
	const char *proofs = session->down.proofs;

	snprintf(s->up.issue.id, sizeof(s->up.issue.id), "%.200s session %04jx%s%.200s from %s",
	    ksession_login(session), (uintmax_t)s->id, proofs[0] != '\0' ? " " : "", proofs,
	    s->client);
}

/* --- issuing --- */

void
issue_failed(struct ksession *s, const char *reason)
{
	issue_free(&s->up.issue);
	ksession_refuse(s, upstream_text_gateway, "Key = %s: no certificate: %s", s->route->key,
	    reason);
}

/* Fill s->up.issue.certificate with what is to be signed by a CA with this public key.  0, or an
 * ERR_* with why. */
static int
issue_order(struct ksession *s, struct reason *why)
{
	const struct conf *conf = s->snapshot->conf;
	struct issue *issue = &s->up.issue;
	struct login_certificate c;
	char type[64];
	int r;

	/* a hop's certificate is for the way to the next machine */
	r = login_certificate_make(s->route, s->link.parent == NULL ? &s->down.options : NULL,
	    s->up.user, s->up.from, time(NULL), &c, why);
	if (r == 0 && s->snapshot->state == NULL) {
		r = ERR_NOTFOUND;
		reason_set(why,
		    "there is no StateDirectory, where serial numbers are kept: write it into [gateway]");
	}
	if (r == 0)
		r = state_serial(s->snapshot->state, (unsigned int)conf->gateway.number,
		    &issue->serial, why);
	if (r == 0) {
		r = key_generate("ed25519", &issue->priv, &issue->pub, type);
		if (r != 0)
			reason_set(why, "%s", err_str(r));
	}
	if (r == 0) {
		issue_set_id(s);
		c.order.key = buf_bytes(&issue->pub);
		c.order.serial = issue->serial;
		c.order.key_id = issue->id;
		r = cert_begin(&issue->certificate, &c.order, buf_bytes(&issue->ca));
		if (r != 0)
			reason_set(why, "%s", err_str(r));
	}
	login_certificate_free(&c);
	return r;
}

struct bytes
issue_to_sign(const struct ksession *s, const char **alg)
{
	char type[64];

	*alg = pubkey_type(buf_bytes(&s->up.issue.ca), type) == 0 ? cert_ca_algorithm(type) : NULL;
	return buf_bytes(&s->up.issue.certificate);
}

/* The authority is a key of the store. */
static int
issue_by_store(struct ksession *s, struct buf *sig, struct reason *why)
{
	struct issue *issue = &s->up.issue;
	struct secret *priv;
	struct bytes data;
	char type[64];
	const char *alg;
	int r;

	r = keystore_load(s->identity->keystore, route_ca(s->route), &priv, &issue->ca, type, why);
	if (r != 0)
		return r;
	r = issue_order(s, why);
	if (r == 0) {
		data = issue_to_sign(s, &alg);
		r = alg == NULL ? ERR_ALGORITHM : key_sign(priv, type, alg, data.p, data.len, sig);
		if (r != 0)
			reason_set(why, "cannot sign: %s", err_str(r));
	}
	secret_free(&priv);
	return r;
}

/* --- the authority is a key of an ssh-agent, which an errand asks --- */

static int
issue_by_agent(struct ksession *s, struct reason *why)
{
	int r = route_authority(s->route, &s->up.issue.ca, why);

	if (r == 0)
		r = issue_order(s, why);
	if (r != 0)
		return r;
	/* the upstream is alive: nobody else waits for a place to dial because the agent is slow */
	jobs_dial_over(s);
	jobs_ask(s, JOB_CA, s->route->connect_timeout_ms);
	return 0;
}

void
issue_put_order(struct ksession *s, struct buf *order)
{
	struct ipc_ca_sign m = { .path = route_ca_agent(s->route),
		.timeout_ms = (uint32_t)s->route->connect_timeout_ms,
		.ca = buf_bytes(&s->up.issue.ca) };

	m.data = issue_to_sign(s, &m.alg);
	ipc_begin(order, IPC_CA_SIGN);
	ipc_ca_sign_put(order, &m);
}

int
issue_same_agent(const struct ksession *a, const struct ksession *b)
{
	return strcmp(route_ca_agent(a->route), route_ca_agent(b->route)) == 0;
}

void
issue_done(struct ksession *s, const struct job_result *result)
{
	struct bytes signature;
	char reason[600];

	if (result->how == JOB_NOT_STARTED) {
		upstream_no_errand(s, result->err);
	} else if (result->how == JOB_OVERDUE) {
		issue_failed(s, "the agent did not answer in time");
	} else if (result->how != JOB_ANSWERED || result->msg->type != IPC_CA_SIGNED) {
		issue_failed(s, "the errand that asks the agent ended without an answer");
	} else {
		signature = wire_string(&result->msg->body);
		wire_text(&result->msg->body, reason, sizeof(reason));
		if (wire_end(&result->msg->body) != 0)
			issue_failed(s, "the errand's answer is not understood");
		else if (signature.len == 0)
			issue_failed(s, reason);
		else
			issue_signed(s, signature);
	}
}

void
issue_begin(struct ksession *s)
{
	struct issue *issue = &s->up.issue;
	struct reason why = { "" };
	struct buf sig;

	buf_init(&issue->pub, ISSUE_PUB_MAX);
	buf_init(&issue->ca, ISSUE_PUB_MAX);
	buf_init(&issue->certificate, CERT_WRITE_MAX);
	buf_init(&sig, ISSUE_SIGNATURE_MAX);
	issue->state = ISSUE_WAITS;
	if (route_ca_agent(s->route) != NULL) {
		if (issue_by_agent(s, &why) != 0)
			issue_failed(s, why.text);
	} else if (issue_by_store(s, &sig, &why) != 0)
		issue_failed(s, why.text);
	else
		issue_signed(s, buf_bytes(&sig));
	buf_free(&sig);
}

void
issue_signed(struct ksession *s, struct bytes signature)
{
	struct issue *issue = &s->up.issue;
	struct bytes data;
	const char *alg;
	uint8_t flags;
	int r;

	data = issue_to_sign(s, &alg);
	r = alg == NULL ?
	    ERR_ALGORITHM :
	    key_verify(buf_bytes(&issue->ca), alg, signature, data.p, data.len, &flags);
	if (r == ERR_AUTH || r == ERR_ALGORITHM) {
		issue_failed(s,
		    r == ERR_AUTH ?
			"the signature is not by the authority's key, or not over what was "
			"to be signed" :
			"the signature is by another algorithm than the one asked for");
		return;
	}
	if (r == 0)
		r = cert_end(&issue->certificate, signature);
	if (r == 0)
		r = auth_client_certify(s->up.auth, buf_bytes(&issue->pub),
		    buf_bytes(&issue->certificate));
	if (r != 0) {
		issue_failed(s, err_str(r));
		return;
	}
	issue->state = ISSUE_MADE;
	upstream_method(s)->begin(s);
}

int
issue_sign(struct issue *issue, const char *alg, const void *data, size_t len, struct buf *sig)
{
	if (issue->state != ISSUE_MADE)
		return ERR_BADSTATE;
	issue->used = 1;
	return key_sign(issue->priv, "ssh-ed25519", alg, data, len, sig);
}

int
issue_holds(const struct ksession *s)
{
	return s->up.issue.used && !auth_client_certificate_refused(s->up.auth);
}

/* --- the log --- */

const char *
issue_show(const struct ksession *s, char out[ISSUE_SHOW_SIZE])
{
	out[0] = '\0';
	if (issue_holds(s))
		snprintf(out, ISSUE_SHOW_SIZE, ", certificate serial %" PRIu64 " ID %s",
		    s->up.issue.serial, s->up.issue.id);
	return out;
}

void
issue_log_refused(const struct ksession *s)
{
	char shown[CERT_SHOW_SIZE], names[256] = "", from[32], until[32];
	struct bytes blob = buf_bytes(&s->up.issue.certificate), name;
	struct cert cert;
	struct wire w;
	size_t len;

	if (s->up.issue.state != ISSUE_MADE || cert_parse(&cert, blob) != 0)
		return;
	wire_init(&w, cert.principals.p, cert.principals.len);
	while (w.left > 0 && wire_err(&w) == 0) {
		name = wire_string(&w);
		len = strlen(names);
		snprintf(names + len, sizeof(names) - len, "%s%.*s", len > 0 ? "," : "",
		    (int)name.len, (const char *)name.p);
	}
	cert_show_time(cert.valid_after, from);
	cert_show_time(cert.valid_before, until);
	ksession_warn(s,
	    "%s@%s refused the certificate %s; its sshd logs why.  Look at the clock there (it is "
	    "valid from %s to %s), at TrustedUserCAKeys (is the line of `sallyport ca public %s` in "
	    "that file?), at the principals (%s: is one of them the user, or in "
	    "AuthorizedPrincipalsFile?), at RevokedKeys, and at CertificateSourceAddress",
	    s->up.user, s->up.host, cert_show(&cert, shown), from, until, route_ca(s->route),
	    names);
}
