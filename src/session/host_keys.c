/*
 * The gateway's own host keys, all of which a client is told after its login, and which the keeper
 * then proves to it: the requests hostkeys-00@openssh.com and hostkeys-prove-00@openssh.com
 * (PROTOCOL of OpenSSH, section 2.5).  With UpdateHostKeys, ssh learns a new host key before it
 * serves.  Called by login.c and dispatch.c.
 */
#include <string.h>

#include "base/match.h"
#include "session/session_private.h"
#include "wire/ssh.h"

/* The keeper has no more than 16 KiB of them. */
#define HOST_KEYS_SIZE_MAX (32 * 1024)

/* The proofs of 16 RSA keys of 16384 bits, and what is around them. */
#define HOST_KEYS_PROOFS_MAX (64 * 1024)

/* Versions of clients to which sshd sends no hostkeys-00@openssh.com: SSH_BUG_HOSTKEYS in its
 * compat.c. */
static const char host_keys_broken[] =
    "Cisco-1.*,TeraTerm SSH*,TTSSH/1.5.*,TTSSH/2.1*,TTSSH/2.2*,TTSSH/2.3*,TTSSH/2.4*,TTSSH/2.5*,"
    "TTSSH/2.6*,TTSSH/2.70*,TTSSH/2.71*,TTSSH/2.72*";

void
host_keys_keep(struct session *s, const struct ipc_host_keys *keys)
{
	size_t i;

	buf_init(&s->announced, HOST_KEYS_SIZE_MAX);
	for (i = keys->certificates; i < keys->n; i++)
		wire_put_bytes(&s->announced, keys->v[i]);
}

static int
host_keys_client_breaks(const struct session *s)
{
	static const char protocol[] = "SSH-2.0-";
	const char *version = leg_peer_version(s->down);

	if (version == NULL || strncmp(version, protocol, sizeof(protocol) - 1) != 0)
		return 0;
	version += sizeof(protocol) - 1;
	return match_list((struct bytes){ (const uint8_t *)version, strlen(version) },
	    (struct bytes){ (const uint8_t *)host_keys_broken, sizeof(host_keys_broken) - 1 });
}

void
host_keys_announce(struct session *s)
{
	struct buf b;

	buf_init(&b, HOST_KEYS_SIZE_MAX + 64);
	buf_put_u8(&b, SSH_MSG_GLOBAL_REQUEST);
	wire_put_text(&b, "hostkeys-00@openssh.com");
	wire_put_bool(&b, 0);
	buf_put(&b, s->announced.data, s->announced.len);
	if (s->announced.len > 0 && buf_err(&s->announced) == 0 && buf_err(&b) == 0 &&
	    !host_keys_client_breaks(s) && leg_send(s->down, b.data, b.len) != 0)
		session_end(s, "client: %s", leg_error(s->down));
	buf_free(&b);
	buf_free(&s->announced);
}

void
host_keys_prove(struct session *s, const uint8_t *payload, size_t len)
{
	struct buf answer;
	struct wire w;

	wire_init(&w, payload + 1, len - 1);
	(void)wire_string(&w); /* name */
	(void)wire_bool(&w);   /* a reply is wanted */
	buf_init(&answer, HOST_KEYS_PROOFS_MAX);
	buf_put_u8(&answer, SSH_MSG_REQUEST_SUCCESS);
	if (keeper_link_prove(s, wire_rest(&w), &answer) != 0 || buf_err(&answer) != 0) {
		buf_reset(&answer);
		buf_put_u8(&answer, SSH_MSG_REQUEST_FAILURE);
	}
	relay_prove(&s->relay, &answer);
}
