/*
 * The steps of a script that come from the machine behind, or from the person's agent.
 */
#include <string.h>

#include "auth/auth_request.h"
#include "base/fd.h"
#include "ipc/messages.h"
#include "fuzz.h"
#include "keeper_driver_private.h"

/* The machine behind shows a host key, with a signature that is good but for !. */
static void
send_host_key(struct driver *d, struct slot *s, uint8_t arg, const struct world_key *key)
{
	struct buf b, sig;

	step_hash(d, s->machine_hash);
	buf_init(&sig, 512);
	world_sign(key, arg == '!' ? d->nonce : s->machine_hash, HASH_SIZE, &sig);
	ipc_begin(&b, IPC_HOST_KEY);
	ipc_host_key_put(&b,
	    &(struct ipc_host_key){ .alg = key->type,
		.hash = { s->machine_hash, HASH_SIZE },
		.blob = { key->pub.data, key->pub.len },
		.sig = { sig.data, sig.len } });
	buf_free(&sig);
	s->shown = arg == '!' ? HOST_NONE : key == &d->world.machine ? HOST_KNOWN : HOST_FOREIGN;
	step_send(s->sock, &b, -1);
}

void
step_host_key(struct driver *d, struct slot *s, uint8_t arg)
{
	send_host_key(d, s, arg, &d->world.machine);
}

void
step_foreign_key(struct driver *d, struct slot *s, uint8_t arg)
{
	send_host_key(d, s, arg, &d->world.foreign);
}

/* The first errand that looks at a host key finds it: m, the machine's; f, the foreign one; !, that
 * with a signature for something else; or d, it fails, or it dies. */
void
step_looked(struct driver *d, struct slot *s, uint8_t arg)
{
	const struct world_key *key = arg == 'm' ? &d->world.machine : &d->world.foreign;
	uint8_t hash[HASH_SIZE];
	struct buf b, sig;
	size_t i;

	for (i = 0; i < LOOKS && d->looks[i] == -1; i++)
		;
	if (i == LOOKS)
		return;
	step_hash(d, hash);
	buf_init(&sig, 512);
	world_sign(key, arg == '!' ? d->nonce : hash, HASH_SIZE, &sig);
	if (arg == 'm' || arg == 'f' || arg == '!') {
		d->looked_machine |= arg == 'm';
		d->looked_foreign |= arg == 'f';
		ipc_begin(&b, IPC_LOOKED);
		ipc_looked_put(&b,
		    &(struct ipc_looked){ .address = "127.0.0.1",
			.version = "SSH-2.0-x",
			.reason = "",
			.key = { .alg = key->type,
			    .hash = { hash, HASH_SIZE },
			    .blob = { key->pub.data, key->pub.len },
			    .sig = { sig.data, sig.len } } });
		step_send(d->looks[i], &b, -1);
	} else if (arg == 'd') {
		ipc_begin(&b, IPC_DIAL_FAILED);
		wire_put_text(&b, "nobody is there");
		wire_put_u32(&b, 0);
		step_send(d->looks[i], &b, -1);
	}
	buf_free(&sig);
	fd_close(&d->looks[i]);
}

/* The agent signs: +; does not: -; another key does: !; it is nonsense: x; or the errand dies. */
void
step_ca(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	if (d->ca == -1)
		return;
	ipc_begin(&b, IPC_CA_SIGNED);
	wire_put_bytes(&b,
	    arg == '+'	   ? buf_bytes(&d->ca_signed) :
		arg == '!' ? buf_bytes(&d->ca_by_stranger) :
			     (struct bytes){ (const uint8_t *)"x", arg == 'x' });
	wire_put_text(&b, arg == '-' ? "locked" : "");
	if (arg == '+' || arg == '-' || arg == '!' || arg == 'x')
		step_send(d->ca, &b, -1);
	else
		buf_free(&b);
	fd_close(&d->ca);
}

void
step_ready(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	ipc_begin(&b, IPC_UPSTREAM_READY);
	wire_put_string(&b, arg == '!' ? d->nonce : s->machine_hash, HASH_SIZE);
	wire_put_text(&b, "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-256");
	wire_put_bool(&b, arg != '0');
	step_send(s->sock, &b, -1);
}

void
step_upstream_auth(struct slot *s, const struct buf *payload)
{
	struct buf b;

	if (payload->len > 0 && payload->data[0] == SSH_MSG_USERAUTH_SUCCESS)
		s->success = 1;
	ipc_begin(&b, IPC_UPSTREAM_AUTH);
	wire_put_string(&b, payload->data, payload->len);
	step_send(s->sock, &b, -1);
}

/* The machine behind answers a request. */
void
step_upstream(struct driver *d, struct slot *s, uint8_t arg)
{
	struct auth_request r = { .alg = { NULL, 0 } };
	struct buf b;

	buf_init(&b, IPC_MAX);
	switch (arg) {
	case '+':
		buf_put_u8(&b, SSH_MSG_USERAUTH_SUCCESS);
		break;
	case 'k':
		(void)!auth_request_parse(&r, s->request.data, s->request.len);
		buf_put_u8(&b, SSH_MSG_USERAUTH_PK_OK);
		wire_put_bytes(&b, r.alg);
		wire_put_bytes(&b, r.blob);
		break;
	case 'b':
		buf_put_u8(&b, SSH_MSG_USERAUTH_BANNER);
		wire_put_text(&b, "hello\n");
		wire_put_text(&b, "");
		break;
	case '?':
		buf_put_u8(&b, SSH_MSG_USERAUTH_INFO_REQUEST);
		wire_put_text(&b, "");
		wire_put_text(&b, "");
		wire_put_text(&b, "");
		wire_put_u32(&b, 1);
		wire_put_text(&b, "Password: ");
		wire_put_bool(&b, 0);
		break;
	default:
		buf_put_u8(&b, SSH_MSG_USERAUTH_FAILURE);
		wire_put_text(&b,
		    arg == 'p'	   ? "password,keyboard-interactive" :
			arg == 'n' ? "" :
				     "publickey,password,keyboard-interactive");
		wire_put_bool(&b, arg == '=');
	}
	step_upstream_auth(s, &b);
	buf_free(&b);
}

/* The person's agent.  o: a channel to it is open; k: its keys; s: a signature; f: FAILURE. */
void
step_agent(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b, answer, sig;
	struct bytes data;
	struct wire w;

	if (arg == 'o') {
		ipc_begin(&b, IPC_AGENT_OPEN);
		step_send(s->sock, &b, -1);
		return;
	}
	buf_init(&answer, IPC_MAX);
	if (arg == 'k') {
		buf_put_u8(&answer, 12); /* IDENTITIES_ANSWER */
		wire_put_u32(&answer, 2);
		wire_put_string(&answer, d->world.stranger.pub.data, d->world.stranger.pub.len);
		wire_put_text(&answer, "");
		wire_put_string(&answer, d->world.person.pub.data, d->world.person.pub.len);
		wire_put_text(&answer, "");
	} else if (arg == 's') {
		buf_init(&sig, 512);
		wire_init(&w, s->agent_request.data, s->agent_request.len);
		(void)wire_u8(&w);
		(void)wire_string(&w);
		data = wire_string(&w);
		world_sign(&d->world.person, data.p, data.len, &sig);
		buf_put_u8(&answer, 14); /* SIGN_RESPONSE */
		wire_put_string(&answer, sig.data, sig.len);
		buf_free(&sig);
	} else {
		buf_put_u8(&answer, 5);
	}
	ipc_begin(&b, IPC_AGENT_ANSWER);
	wire_put_string(&b, answer.data, answer.len);
	buf_free(&answer);
	step_send(s->sock, &b, -1);
}

void
step_agent_failed(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	ipc_begin(&b, IPC_AGENT_FAILED);
	buf_put_u8(&b, arg & 7);
	step_send(s->sock, &b, -1);
}

void
step_upstream_failed(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	ipc_begin(&b, IPC_UPSTREAM_FAILED);
	wire_put_text(&b, "it went away");
	wire_put_text(&b, arg == 'n' ? "Not allowed at this time" : "");
	step_send(s->sock, &b, -1);
}

/* The carrier of a hop has opened a channel to the next machine; ?: to another one. */
void
step_carried(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	s->carries |= s->hop && s->success && arg != '?';
	ipc_begin(&b, IPC_CARRIED);
	wire_put_text(&b, arg == '?' ? "elsewhere" : "127.0.0.1");
	wire_put_text(&b, "");
	wire_put_u32(&b, 0);
	step_send(s->sock, &b, -1);
}

/* It has not; f: it may not. */
void
step_not_carried(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	ipc_begin(&b, IPC_CARRY_FAILED);
	wire_put_bool(&b, arg == 'f');
	wire_put_text(&b, "nobody is there");
	wire_put_u32(&b, 0);
	step_send(s->sock, &b, -1);
}
