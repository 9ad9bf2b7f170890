/*
 * The login upstream, as a client (RFC 4252): the requests; auth_client_reply.c reads the replies.
 * Pure: bytes in, bytes out.  Called by the keeper, which holds the keys; auth_stored.c drives it
 * where the gateway logs in by itself.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth_client_private.h"
#include "base/log.h"
#include "formats/cert.h"
#include "formats/pubkey.h"
#include "wire/methods.h"
#include "wire/ssh.h"

#define SIGNATURE_MAX 16384
#define REQUEST_MAX 262144

void
auth_client_set(struct auth_client *ac, enum auth_client_state state)
{
	static const char *const names[] = { "new", "waiting", "refused", "asked", "wanted", "done",
		"failed" };

	log_debug("auth client: %s -> %s", names[ac->state], names[state]);
	ac->state = state;
}

enum auth_client_verdict
auth_client_fail(struct auth_client *ac, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ac->reason, sizeof(ac->reason), fmt, ap);
	va_end(ap);
	auth_client_set(ac, STATE_FAILED);
	return AUTH_CLIENT_FAILED;
}

struct auth_client *
auth_client_new(const struct auth_client_config *config, const struct auth_client_ops *ops,
    void *ctx)
{
	struct auth_client *ac = calloc(1, sizeof(*ac));

	if (ac == NULL)
		return NULL;
	ac->ops = ops;
	ac->ctx = ctx;
	ac->banner_left = AUTH_CLIENT_BANNER_MAX;
	buf_init(&ac->session_id, 1024);
	buf_init(&ac->blob, 65536);
	buf_init(&ac->certificate, 65536);
	buf_init(&ac->host_key, 65536);
	buf_init(&ac->banner, AUTH_CLIENT_BANNER_MAX);
	buf_init(&ac->banner_last, AUTH_CLIENT_BANNER_MAX);
	buf_init(&ac->question, AUTH_CLIENT_MESSAGE_MAX);
	ac->several = config->several;
	buf_put(&ac->session_id, config->session_id, config->session_id_len);
	buf_put(&ac->blob, config->blob.p, config->blob.len);
	buf_put(&ac->certificate, config->certificate.p, config->certificate.len);
	buf_put(&ac->host_key, config->host_key.p, config->host_key.len);
	ac->user = strdup(config->user);
	if (config->server_sig_algs != NULL)
		ac->server_sig_algs = strdup(config->server_sig_algs);
	if (ac->user == NULL || (config->server_sig_algs != NULL && ac->server_sig_algs == NULL) ||
	    buf_err(&ac->session_id) != 0 || buf_err(&ac->blob) != 0 ||
	    buf_err(&ac->certificate) != 0 || buf_err(&ac->host_key) != 0)
		auth_client_free(&ac);
	return ac;
}

void
auth_client_free(struct auth_client **acp)
{
	struct auth_client *ac = *acp;

	*acp = NULL;
	if (ac == NULL)
		return;
	buf_free(&ac->session_id);
	buf_free(&ac->blob);
	buf_free(&ac->certificate);
	buf_free(&ac->host_key);
	buf_free(&ac->banner);
	buf_free(&ac->banner_last);
	buf_free(&ac->question);
	free(ac->user);
	free(ac->server_sig_algs);
	free(ac);
}

/* The signature algorithm for a key of this type; NULL if there is none. */
static const char *
algorithm(const struct auth_client *ac, const char *type)
{
	const char *algs = ac->server_sig_algs;
	int sha256 = algs != NULL && !namelist_has(algs, "rsa-sha2-512") &&
	    namelist_has(algs, "rsa-sha2-256");

	if (strcmp(type, "ssh-rsa") == 0)
		return sha256 ? "rsa-sha2-256" : "rsa-sha2-512";
	return pubkey_algorithm_ok(type, type) ? type : NULL;
}

/* Choose the algorithm for a key of the client's agent, which may be a certificate: ac->alg for
 * the request, ac->sig_alg for the signature in it. */
static int
set_algorithm(struct auth_client *ac)
{
	const char *plain, *alg, *name;
	char type[64];

	if (pubkey_type(buf_bytes(&ac->blob), type) != 0)
		return ERR_FORMAT;
	plain = cert_key_type(type);
	alg = algorithm(ac, plain != NULL ? plain : type);
	name = alg != NULL && plain != NULL ? cert_algorithm_for(type, alg) : alg;
	if (name == NULL)
		return ERR_ALGORITHM;
	snprintf(ac->sig_alg, sizeof(ac->sig_alg), "%s", alg);
	snprintf(ac->alg, sizeof(ac->alg), "%s", name);
	return 0;
}

/*
 * Put together what is signed (RFC 4252 section 7): the session identifier, and the request up to
 * its signature.  A signed request names the host key, if there is one (PROTOCOL of OpenSSH,
 * section 3.1), so that no other host accepts the signature.
 */
static void
put_request(const struct auth_client *ac, int sign, const char *alg, const struct buf *blob,
    struct buf *data)
{
	int bound = sign && ac->host_key.len > 0;

	buf_put_u8(data, SSH_MSG_USERAUTH_REQUEST);
	wire_put_text(data, ac->user);
	wire_put_text(data, "ssh-connection");
	wire_put_text(data, bound ? METHOD_HOSTBOUND : METHOD_PUBLICKEY);
	wire_put_bool(data, sign);
	wire_put_text(data, alg);
	wire_put_string(data, blob->data, blob->len);
	if (bound)
		wire_put_string(data, ac->host_key.data, ac->host_key.len);
}

/* What a request with the certificate calls this signature algorithm.  NULL if a key of its type
 * has no such algorithm. */
static const char *
certificate_algorithm(const struct auth_client *ac, const char *alg)
{
	char type[64];

	if (ac->certificate.len == 0 || pubkey_type(buf_bytes(&ac->certificate), type) != 0)
		return NULL;
	return cert_algorithm_for(type, alg);
}

/* May a request be made now? */
static int
auth_client_is_ready(const struct auth_client *ac)
{
	return ac->state == STATE_NEW || ac->state == STATE_REFUSED || ac->state == STATE_ASKED ||
	    ac->state == STATE_WANTED;
}

enum auth_client_verdict
auth_client_start(struct auth_client *ac, struct buf *out)
{
	struct buf data, sig;
	size_t front;
	char type[64];
	const char *alg, *cert_alg;
	int ret;

	if (!auth_client_is_ready(ac))
		return auth_client_fail(ac, "login upstream: %s", err_str(ERR_BADSTATE));
	if (pubkey_type(buf_bytes(&ac->blob), type) != 0)
		return auth_client_fail(ac, "the mapped key is unreadable");
	alg = algorithm(ac, type);
	if (alg == NULL)
		return auth_client_fail(ac, "the mapped key has a type that is not supported: %s",
		    type);
	buf_init(&data, REQUEST_MAX);
	buf_init(&sig, SIGNATURE_MAX);
	wire_put_string(&data, ac->session_id.data, ac->session_id.len);
	front = data.len;
	cert_alg = certificate_algorithm(ac, alg);
	if (cert_alg != NULL)
		put_request(ac, 1, cert_alg, &ac->certificate, &data);
	else
		put_request(ac, 1, alg, &ac->blob, &data);
	ret = buf_err(&data);
	if (ret == 0)
		ret = ac->ops->sign(ac->ctx, alg, data.data, data.len, &sig);
	if (ret == 0) {
		wire_put_string(&data, sig.data, sig.len);
		ret = buf_err(&sig) != 0 ? buf_err(&sig) : buf_err(&data);
	}
	if (ret == 0)
		wire_put_string(out, data.data + front, data.len - front);
	buf_free(&data);
	buf_free(&sig);
	if (ret != 0)
		return auth_client_fail(ac, "cannot sign with the mapped key: %s", err_str(ret));
	ac->sent = cert_alg != NULL ? SENT_CERTIFICATE : SENT_KEY;
	auth_client_set(ac, STATE_WAITING);
	return AUTH_CLIENT_SEND;
}

int
auth_client_certify(struct auth_client *ac, struct bytes key, struct bytes certificate)
{
	if (!auth_client_is_ready(ac))
		return ERR_BADSTATE;
	buf_reset(&ac->blob);
	buf_reset(&ac->certificate);
	buf_put(&ac->blob, key.p, key.len);
	buf_put(&ac->certificate, certificate.p, certificate.len);
	ac->certificate_only = 1;
	return buf_err(&ac->blob) != 0 ? buf_err(&ac->blob) : buf_err(&ac->certificate);
}

int
auth_client_query(struct auth_client *ac, struct bytes blob, struct buf *out)
{
	struct buf b;

	buf_reset(&ac->blob);
	buf_put(&ac->blob, blob.p, blob.len);
	if (!auth_client_is_ready(ac) || buf_err(&ac->blob) != 0 || set_algorithm(ac) != 0)
		return 0;
	buf_init(&b, REQUEST_MAX);
	put_request(ac, 0, ac->alg, &ac->blob, &b);
	wire_put_message(out, &b);
	ac->sent = SENT_QUERY;
	auth_client_set(ac, STATE_WAITING);
	return 1;
}

int
auth_client_to_sign(struct auth_client *ac, struct buf *data, const char **alg)
{
	*alg = ac->sig_alg;
	if (ac->state != STATE_WANTED)
		return ERR_BADSTATE;
	wire_put_string(data, ac->session_id.data, ac->session_id.len);
	put_request(ac, 1, ac->alg, &ac->blob, data);
	return buf_err(data);
}

int
auth_client_signed(struct auth_client *ac, struct bytes sig, struct buf *out)
{
	struct wire w;
	struct buf b;

	wire_init(&w, sig.p, sig.len);
	if (ac->state != STATE_WANTED || sig.len > SIGNATURE_MAX ||
	    !bytes_is(wire_string(&w), ac->sig_alg))
		return 0;
	buf_init(&b, REQUEST_MAX);
	put_request(ac, 1, ac->alg, &ac->blob, &b);
	wire_put_bytes(&b, sig);
	wire_put_message(out, &b);
	ac->sent = SENT_KEY;
	auth_client_set(ac, STATE_WAITING);
	return 1;
}

/* A request without a signature. */
static enum auth_client_verdict
request(struct auth_client *ac, const char *method, struct bytes rest, struct buf *out)
{
	static const char service[] = "ssh-connection";
	size_t len = 1 + 4 + strlen(ac->user) + 4 + strlen(service) + 4 + strlen(method);

	if (!auth_client_is_ready(ac) || rest.len > AUTH_CLIENT_MESSAGE_MAX)
		return auth_client_fail(ac, "login upstream: %s", err_str(ERR_BADSTATE));
	wire_put_u32(out, (uint32_t)(len + rest.len));
	buf_put_u8(out, SSH_MSG_USERAUTH_REQUEST);
	wire_put_text(out, ac->user);
	wire_put_text(out, service);
	wire_put_text(out, method);
	buf_put(out, rest.p, rest.len);
	auth_client_set(ac, STATE_WAITING);
	return AUTH_CLIENT_SEND;
}

enum auth_client_verdict
auth_client_probe(struct auth_client *ac, struct buf *out)
{
	ac->sent = SENT_NONE;
	return request(ac, METHOD_NONE, (struct bytes){ NULL, 0 }, out);
}

enum auth_client_verdict
auth_client_relay(struct auth_client *ac, const char *method, struct bytes rest, struct buf *out)
{
	if (strcmp(method, METHOD_PASSWORD) == 0)
		ac->sent = SENT_PASSWORD;
	else if (strcmp(method, METHOD_KBDINT) == 0)
		ac->sent = SENT_KBDINT;
	else
		return auth_client_fail(ac, "login upstream: %s", err_str(ERR_BADSTATE));
	return request(ac, method, rest, out);
}

enum auth_client_verdict
auth_client_respond(struct auth_client *ac, struct bytes message, struct buf *out)
{
	struct wire w;

	wire_init(&w, message.p, message.len);
	if (ac->state != STATE_ASKED || ac->sent != SENT_KBDINT ||
	    wire_u8(&w) != SSH_MSG_USERAUTH_INFO_RESPONSE || wire_u32(&w) != ac->prompts)
		return auth_client_fail(ac, "login upstream: %s", err_str(ERR_BADSTATE));
	wire_put_bytes(out, message);
	auth_client_set(ac, STATE_WAITING);
	return AUTH_CLIENT_SEND;
}
