/*
 * The login upstream, as a client (RFC 4252): makes requests and reads the replies.  Pure: bytes
 * in, bytes out. Called by the keeper, which holds the keys; auth_stored.c drives it where the
 * gateway logs in by itself.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "wire/methods.h"
#include "wire/ssh.h"
#include "auth/auth_client.h"
#include "formats/cert.h"
#include "formats/pubkey.h"

#define SIGNATURE_MAX 16384
#define REQUEST_MAX 262144

enum state {
	STATE_NEW,     /* nothing sent yet */
	STATE_WAITING, /* for the answer to our request */
	STATE_REFUSED, /* for the next request */
	STATE_ASKED,   /* for the user's answer */
	STATE_WANTED,  /* for a signature, or the next request */
	STATE_DONE,
	STATE_FAILED,
};

struct auth_client {
	const struct auth_client_ops *ops;
	void *ctx;
	enum state state;
	int several;
	enum {
		SENT_NONE,
		SENT_CERTIFICATE,
		SENT_KEY,
		SENT_QUERY,
		SENT_PASSWORD,
		SENT_KBDINT
	} sent; /* the last request */

	struct buf session_id;
	struct buf blob;
	struct buf certificate; /* to be tried first; empty: the key alone */
	int certificate_only;	/* the key alone is nothing to the upstream */
	int certificate_refused;
	struct buf host_key; /* empty: not bound to it */
	char alg[64];	     /* of the last query */
	char sig_alg[64];    /* what its signature calls it */
	char *user;
	char *server_sig_algs; /* or NULL */

	struct buf banner;
	size_t banner_left; /* bytes of banner that may still be passed on */
	int banner_cut;	    /* a banner was cut, and the caller does not know yet */
	struct buf banner_last;
	struct buf question;
	uint32_t prompts; /* in the question */
	unsigned int rounds;
	char methods[AUTH_CLIENT_METHODS_SIZE];
	int partial;
	char reason[512];
};

static void
state_set(struct auth_client *ac, enum state state)
{
	static const char *const names[] = { "new", "waiting", "refused", "asked", "wanted", "done",
		"failed" };

	log_debug("auth client: %s -> %s", names[ac->state], names[state]);
	ac->state = state;
}

static enum auth_client_verdict auth_client_fail(struct auth_client *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static enum auth_client_verdict
auth_client_fail(struct auth_client *ac, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ac->reason, sizeof(ac->reason), fmt, ap);
	va_end(ap);
	state_set(ac, STATE_FAILED);
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
ready(const struct auth_client *ac)
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

	if (!ready(ac))
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
	state_set(ac, STATE_WAITING);
	return AUTH_CLIENT_SEND;
}

int
auth_client_certify(struct auth_client *ac, struct bytes key, struct bytes certificate)
{
	if (!ready(ac))
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
	if (!ready(ac) || buf_err(&ac->blob) != 0 || set_algorithm(ac) != 0)
		return 0;
	buf_init(&b, REQUEST_MAX);
	put_request(ac, 0, ac->alg, &ac->blob, &b);
	wire_put_message(out, &b);
	ac->sent = SENT_QUERY;
	state_set(ac, STATE_WAITING);
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
	state_set(ac, STATE_WAITING);
	return 1;
}

/* A request without a signature. */
static enum auth_client_verdict
request(struct auth_client *ac, const char *method, struct bytes rest, struct buf *out)
{
	static const char service[] = "ssh-connection";
	size_t len = 1 + 4 + strlen(ac->user) + 4 + strlen(service) + 4 + strlen(method);

	if (!ready(ac) || rest.len > AUTH_CLIENT_MESSAGE_MAX)
		return auth_client_fail(ac, "login upstream: %s", err_str(ERR_BADSTATE));
	wire_put_u32(out, (uint32_t)(len + rest.len));
	buf_put_u8(out, SSH_MSG_USERAUTH_REQUEST);
	wire_put_text(out, ac->user);
	wire_put_text(out, service);
	wire_put_text(out, method);
	buf_put(out, rest.p, rest.len);
	state_set(ac, STATE_WAITING);
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
	state_set(ac, STATE_WAITING);
	return AUTH_CLIENT_SEND;
}

/* A name-list of the upstream as the log shows it: printable, cut to size. */
static const char *
names_show(struct bytes names, char *out, size_t size)
{
	size_t i;

	if (names.len == 0)
		return "nothing else";
	for (i = 0; i < names.len && i < size - 1; i++)
		out[i] = names.p[i] > ' ' && names.p[i] < 0x7f ? (char)names.p[i] : '?';
	out[i] = '\0';
	if (i < names.len)
		memcpy(out + i - 3, "...", 3);
	return out;
}

/* 1 if the certificate was refused, and the key can be tried without it. */
static int
key_is_next(struct auth_client *ac, struct bytes names, int partial)
{
	char list[AUTH_CLIENT_METHODS_SIZE] = "";

	if (ac->sent != SENT_CERTIFICATE || partial)
		return 0;
	ac->certificate_refused = 1;
	if (ac->certificate_only)
		return 0;
	buf_reset(&ac->certificate);
	if (names.len == 0 || names.len >= sizeof(list) || memchr(names.p, '\0', names.len) != NULL)
		return 0;
	memcpy(list, names.p, names.len);
	return namelist_has(list, METHOD_PUBLICKEY);
}

static enum auth_client_verdict
input_failure(struct auth_client *ac, struct wire *w, struct buf *out)
{
	struct bytes names = wire_string(w);
	int partial = wire_bool(w);
	char show[256];

	if (wire_end(w) != 0)
		return auth_client_fail(ac, "malformed login reply from upstream");
	if (key_is_next(ac, names, partial)) {
		state_set(ac, STATE_REFUSED);
		return auth_client_start(ac, out);
	}
	if (ac->several) {
		if (names.len >= sizeof(ac->methods) ||
		    (names.len > 0 && memchr(names.p, '\0', names.len) != NULL))
			return auth_client_fail(ac, "malformed login reply from upstream");
		memset(ac->methods, 0, sizeof(ac->methods));
		if (names.len > 0)
			memcpy(ac->methods, names.p, names.len);
		ac->partial = partial;
		state_set(ac, STATE_REFUSED);
		return AUTH_CLIENT_REFUSED;
	}
	if (partial)
		return auth_client_fail(ac,
		    "upstream accepted the %s but wants more, which is not supported: %s",
		    ac->certificate_only ? "certificate" : "mapped key",
		    names_show(names, show, sizeof(show)));
	return auth_client_fail(ac, "upstream refused the %s%s; it offers %s",
	    ac->certificate_only ? "certificate" : "mapped key",
	    ac->certificate_refused && !ac->certificate_only ? " and its certificate" : "",
	    names_show(names, show, sizeof(show)));
}

static enum auth_client_verdict
input_banner(struct auth_client *ac, struct wire *w)
{
	struct bytes text = wire_string(w);
	size_t len = text.len, n;

	(void)wire_string(w); /* language */
	if (wire_end(w) != 0)
		return auth_client_fail(ac, "malformed banner from upstream");
	if (len > ac->banner_left) {
		len = ac->banner_left;
		/* do not cut inside a character of UTF-8 */
		for (n = 0; n < 3 && n < len && (text.p[len - n] & 0xc0) == 0x80; n++)
			;
		len -= n;
		ac->banner_left = 0;
		ac->banner_cut = 1;
	} else {
		ac->banner_left -= len;
	}
	/* some servers send it again with each reply */
	if (len == 0)
		return AUTH_CLIENT_WAIT;
	if (ac->several && bytes_equal((struct bytes){ text.p, len }, buf_bytes(&ac->banner_last)))
		return AUTH_CLIENT_WAIT;
	buf_reset(&ac->banner_last);
	buf_put(&ac->banner_last, text.p, len);
	buf_put(&ac->banner, text.p, len);
	return buf_err(&ac->banner) == 0 ? AUTH_CLIENT_BANNER : AUTH_CLIENT_WAIT;
}

/* INFO_REQUEST (RFC 4256 section 3.2) and PASSWD_CHANGEREQ (RFC 4252 section 8) have the same
 * number: what was requested tells them apart. */
static enum auth_client_verdict
input_question(struct auth_client *ac, struct wire *w, const uint8_t *payload, size_t len)
{
	uint32_t i;

	if (ac->sent != SENT_PASSWORD && ac->sent != SENT_KBDINT)
		return auth_client_fail(ac, "unexpected login message from upstream: type %u",
		    SSH_MSG_USERAUTH_INFO_REQUEST);
	if (++ac->rounds > AUTH_CLIENT_ROUNDS_MAX || len > AUTH_CLIENT_MESSAGE_MAX)
		return auth_client_fail(ac, "upstream asks too many questions");
	(void)wire_string(w); /* name; prompt of a password change */
	if (ac->sent == SENT_KBDINT) {
		(void)wire_string(w); /* instruction */
		(void)wire_string(w); /* language */
		ac->prompts = wire_u32(w);
		if (ac->prompts > AUTH_CLIENT_PROMPTS_MAX)
			return auth_client_fail(ac, "upstream asks too many questions at once");
		for (i = 0; i < ac->prompts; i++) {
			(void)wire_string(w);
			(void)wire_bool(w); /* echo */
		}
	} else {
		(void)wire_string(w); /* language */
	}
	if (wire_end(w) != 0)
		return auth_client_fail(ac, "malformed login question from upstream");
	buf_put(&ac->question, payload, len);
	if (buf_err(&ac->question) != 0)
		return auth_client_fail(ac, "%s", err_str(buf_err(&ac->question)));
	state_set(ac, STATE_ASKED);
	return AUTH_CLIENT_ASKED;
}

/* PK_OK must name the algorithm and the key of the query. */
static enum auth_client_verdict
input_wanted(struct auth_client *ac, struct wire *w)
{
	struct bytes alg = wire_string(w), blob = wire_string(w);

	if (wire_end(w) != 0 || !bytes_is(alg, ac->alg) || !bytes_equal(blob, buf_bytes(&ac->blob)))
		return auth_client_fail(ac, "upstream accepts a key that it was not asked about");
	state_set(ac, STATE_WANTED);
	return AUTH_CLIENT_WANTED;
}

enum auth_client_verdict
auth_client_input(struct auth_client *ac, const uint8_t *payload, size_t len, struct buf *out)
{
	struct wire w;
	uint8_t type;

	if (ac->state == STATE_FAILED)
		return AUTH_CLIENT_FAILED;
	buf_reset(&ac->banner);
	buf_reset(&ac->question);
	wire_init(&w, payload, len);
	type = wire_u8(&w);
	/* a banner may come at any time before success, and before any request */
	if (type == SSH_MSG_USERAUTH_BANNER &&
	    (ac->state == STATE_NEW || ac->state == STATE_REFUSED || ac->state == STATE_ASKED ||
		ac->state == STATE_WANTED))
		return input_banner(ac, &w);
	if (ac->state != STATE_WAITING)
		return auth_client_fail(ac, "unexpected login message from upstream: type %u",
		    type);
	switch (type) {
	case SSH_MSG_USERAUTH_BANNER:
		return input_banner(ac, &w);
	case SSH_MSG_USERAUTH_FAILURE:
		return input_failure(ac, &w, out);
	case SSH_MSG_USERAUTH_INFO_REQUEST:
		return ac->sent == SENT_QUERY ? input_wanted(ac, &w) :
						input_question(ac, &w, payload, len);
	case SSH_MSG_USERAUTH_SUCCESS:
		if (wire_end(&w) != 0)
			return auth_client_fail(ac, "malformed login reply from upstream");
		state_set(ac, STATE_DONE);
		return AUTH_CLIENT_SUCCESS;
	}
	return auth_client_fail(ac, "unexpected login message from upstream: type %u", type);
}

struct bytes
auth_client_banner(const struct auth_client *ac)
{
	return buf_bytes(&ac->banner);
}

struct bytes
auth_client_question(const struct auth_client *ac)
{
	return buf_bytes(&ac->question);
}

int
auth_client_banner_cut(struct auth_client *ac)
{
	int cut = ac->banner_cut;

	ac->banner_cut = 0;
	return cut;
}

const char *
auth_client_methods(const struct auth_client *ac)
{
	return ac->methods;
}

int
auth_client_partial(const struct auth_client *ac)
{
	return ac->partial;
}

const char *
auth_client_reason(const struct auth_client *ac)
{
	return ac->reason;
}

int
auth_client_certificate_refused(const struct auth_client *ac)
{
	return ac->certificate_refused;
}
