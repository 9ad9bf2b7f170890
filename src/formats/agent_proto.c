/*
 * Requests to an ssh-agent and its answers, as bytes.  Called by keeper/agent_login.c.
 */
#include <string.h>

#include "formats/agent_proto.h"
#include "formats/pubkey.h"

/* draft-ietf-sshm-ssh-agent section 6.1 */
#define AGENT_FAILURE 5
#define AGENT_REQUEST_IDENTITIES 11
#define AGENT_IDENTITIES_ANSWER 12
#define AGENT_SIGN_REQUEST 13
#define AGENT_SIGN_RESPONSE 14
#define AGENT_EXTENSION 27
#define AGENT_EXTENSION_FAILURE 28

#define AGENT_RSA_SHA2_256 2
#define AGENT_RSA_SHA2_512 4

void
agent_proto_put_bind(struct buf *b, struct bytes host_key, struct bytes session_id,
    struct bytes signature)
{
	buf_put_u8(b, AGENT_EXTENSION);
	wire_put_text(b, "session-bind@openssh.com");
	wire_put_bytes(b, host_key);
	wire_put_bytes(b, session_id);
	wire_put_bytes(b, signature);
	wire_put_bool(b, 0); /* is_forwarding: no, this is a login */
}

void
agent_proto_put_list(struct buf *b)
{
	buf_put_u8(b, AGENT_REQUEST_IDENTITIES);
}

void
agent_proto_put_sign(struct buf *b, struct bytes key, struct bytes data, const char *alg)
{
	uint32_t flags = 0;

	if (strcmp(alg, "rsa-sha2-512") == 0)
		flags = AGENT_RSA_SHA2_512;
	else if (strcmp(alg, "rsa-sha2-256") == 0)
		flags = AGENT_RSA_SHA2_256;
	buf_put_u8(b, AGENT_SIGN_REQUEST);
	wire_put_bytes(b, key);
	wire_put_bytes(b, data);
	wire_put_u32(b, flags);
}

int
agent_proto_keys(struct bytes answer, struct bytes first, struct agent_keys *keys)
{
	struct bytes blob;
	struct wire w;
	uint32_t n;
	uint8_t type;
	int r;

	keys->n = 0;
	wire_init(&w, answer.p, answer.len);
	type = wire_u8(&w);
	if (type == AGENT_FAILURE)
		return wire_end(&w);
	if (type != AGENT_IDENTITIES_ANSWER)
		return ERR_FORMAT;
	for (n = wire_u32(&w); n > 0 && wire_err(&w) == 0; n--) {
		blob = wire_string(&w);
		(void)wire_string(&w); /* comment */
		r = wire_err(&w) != 0 ? ERR_FORMAT : pubkey_check(blob);
		/* a weak key is the upstream's to refuse */
		if (!pubkey_is_whole(r) || keys->n >= AGENT_PROTO_KEYS_MAX)
			continue;
		if (first.len > 0 && bytes_equal(blob, first)) {
			memmove(keys->v + 1, keys->v, keys->n * sizeof(keys->v[0]));
			keys->v[0] = blob;
		} else {
			keys->v[keys->n] = blob;
		}
		keys->n++;
	}
	return wire_end(&w);
}

int
agent_proto_signature(struct bytes answer, struct bytes *sig)
{
	struct wire w;
	uint8_t type;

	*sig = (struct bytes){ NULL, 0 };
	wire_init(&w, answer.p, answer.len);
	type = wire_u8(&w);
	if (type == AGENT_FAILURE || type == AGENT_EXTENSION_FAILURE)
		return ERR_AUTH;
	if (type != AGENT_SIGN_RESPONSE)
		return ERR_FORMAT;
	*sig = wire_string(&w);
	return wire_end(&w);
}
