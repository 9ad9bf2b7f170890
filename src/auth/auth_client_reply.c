/*
 * The login upstream, as a client (RFC 4252): the replies to the requests of auth_client.c.  Called
 * by the keeper with each message of the upstream's.
 */
#include <string.h>

#include "auth/auth_client_private.h"
#include "wire/methods.h"
#include "wire/ssh.h"

/* A name-list of the upstream as the log shows it: printable, cut to size. */
static const char *
reply_names(struct bytes names, char *out, size_t size)
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
reply_key_is_next(struct auth_client *ac, struct bytes names, int partial)
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
reply_failure(struct auth_client *ac, struct wire *w, struct buf *out)
{
	struct bytes names = wire_string(w);
	int partial = wire_bool(w);
	char show[256];

	if (wire_end(w) != 0)
		return auth_client_fail(ac, "malformed login reply from upstream");
	if (reply_key_is_next(ac, names, partial)) {
		auth_client_set(ac, STATE_REFUSED);
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
		auth_client_set(ac, STATE_REFUSED);
		return AUTH_CLIENT_REFUSED;
	}
	if (partial)
		return auth_client_fail(ac,
		    "upstream accepted the %s but wants more, which is not supported: %s",
		    ac->certificate_only ? "certificate" : "mapped key",
		    reply_names(names, show, sizeof(show)));
	return auth_client_fail(ac, "upstream refused the %s%s; it offers %s",
	    ac->certificate_only ? "certificate" : "mapped key",
	    ac->certificate_refused && !ac->certificate_only ? " and its certificate" : "",
	    reply_names(names, show, sizeof(show)));
}

static enum auth_client_verdict
reply_banner(struct auth_client *ac, struct wire *w)
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
reply_question(struct auth_client *ac, struct wire *w, const uint8_t *payload, size_t len)
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
	auth_client_set(ac, STATE_ASKED);
	return AUTH_CLIENT_ASKED;
}

/* PK_OK must name the algorithm and the key of the query. */
static enum auth_client_verdict
reply_wanted(struct auth_client *ac, struct wire *w)
{
	struct bytes alg = wire_string(w), blob = wire_string(w);

	if (wire_end(w) != 0 || !bytes_is(alg, ac->alg) || !bytes_equal(blob, buf_bytes(&ac->blob)))
		return auth_client_fail(ac, "upstream accepts a key that it was not asked about");
	auth_client_set(ac, STATE_WANTED);
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
		return reply_banner(ac, &w);
	if (ac->state != STATE_WAITING)
		return auth_client_fail(ac, "unexpected login message from upstream: type %u",
		    type);
	switch (type) {
	case SSH_MSG_USERAUTH_BANNER:
		return reply_banner(ac, &w);
	case SSH_MSG_USERAUTH_FAILURE:
		return reply_failure(ac, &w, out);
	case SSH_MSG_USERAUTH_INFO_REQUEST:
		return ac->sent == SENT_QUERY ? reply_wanted(ac, &w) :
						reply_question(ac, &w, payload, len);
	case SSH_MSG_USERAUTH_SUCCESS:
		if (wire_end(&w) != 0)
			return auth_client_fail(ac, "malformed login reply from upstream");
		auth_client_set(ac, STATE_DONE);
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
