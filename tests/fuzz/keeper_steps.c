/*
 * The steps of a script: what sessions, errands, machines and the master send the keeper.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <sodium.h>

#include "auth/auth_request.h"
#include "base/fd.h"
#include "ipc/messages.h"
#include "fuzz.h"
#include "keeper_driver_private.h"

static const char hostbound[] = "publickey-hostbound-v00@openssh.com";

static char
login_of(uint8_t arg)
{
	if (login_bit((char)arg) != 0)
		return (char)arg;
	return world_logins[arg % strlen(world_logins)];
}

void
step_hash(struct driver *d, uint8_t out[HASH_SIZE])
{
	d->hashes++;
	crypto_generichash(out, HASH_SIZE, (uint8_t *)&d->hashes, sizeof(d->hashes), d->nonce,
	    sizeof(d->nonce));
}

void
step_send(int sock, struct buf *b, int fd)
{
	if (sock == -1) {
		buf_wipe(b);
		return;
	}
	(void)!ipc_send(sock, b, fd);
}

static void
send_auth(struct slot *s, const struct buf *payload)
{
	struct buf b;

	ipc_begin(&b, IPC_AUTH);
	wire_put_string(&b, payload->data, payload->len);
	step_send(s->sock, &b, -1);
}

static void
begin_auth(struct buf *b, char login, const char *method)
{
	char name[2] = { login, '\0' };

	buf_init(b, IPC_PAYLOAD_MAX);
	buf_put_u8(b, SSH_MSG_USERAUTH_REQUEST);
	wire_put_text(b, name);
	wire_put_text(b, "ssh-connection");
	wire_put_text(b, method);
}

static void
step_open(struct driver *d, struct slot *s, uint8_t arg)
{
	int pair[2];
	struct buf b;

	if (s->sock != -1)
		return;
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	s->id = ++d->last_id;
	s->sock = pair[0];
	buf_init(&s->request, IPC_MAX);
	buf_init(&s->agent_request, IPC_MAX);
	ipc_begin(&b, IPC_CONNECTION);
	ipc_connection_put(&b,
	    &(struct ipc_connection){ .session = s->id,
		.client = arg == '6' ? "2001:db8::1" : "127.0.0.1",
		.client_port = 1234,
		.local = "127.0.0.1",
		.local_port = 2222,
		.host = arg == 'h' ? "vm1.example.org" :
		    arg == 'H'	   ? "-VM1" :
				     "",
		.tls = arg == 't' ? s->tls_id : 0 });
	s->bad |= arg == 't' && !tls_may_be_inside(s);
	step_send(d->master, &b, pair[1]);
	fd_close(&pair[1]);
}

static void
step_close(struct driver *d, struct slot *s, uint8_t arg)
{
	slot_close(s);
}

/* Have a hash signed: by Ed25519, ECDSA (c), or one that is not there. */
static void
step_sign(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	step_hash(d, s->asked_hash);
	if (!s->has_hash)
		s->signed_by_ec = arg == 'c';
	ipc_begin(&b, IPC_SIGN);
	wire_put_text(&b, arg == 'c' ? "ecdsa-sha2-nistp256" : arg == '!' ? "x" : "ssh-ed25519");
	wire_put_string(&b, s->asked_hash, HASH_SIZE);
	step_send(s->sock, &b, -1);
}

/* Have a host key proven: Ed25519, ECDSA (c), both (b), or a mapped key (m). */
static void
step_prove(struct driver *d, struct slot *s, uint8_t arg)
{
	const struct world *world = &d->world;
	struct buf b;

	ipc_begin(&b, IPC_PROVE);
	if (arg != 'c' && arg != 'm')
		wire_put_bytes(&b, buf_bytes(&world->host.pub));
	if (arg == 'c' || arg == 'b')
		wire_put_bytes(&b, buf_bytes(&world->host_ec.pub));
	if (arg == 'm')
		wire_put_bytes(&b, buf_bytes(&world->mapped.pub));
	step_send(s->sock, &b, -1);
}

static void
step_none(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	begin_auth(&b, login_of(arg), "none");
	send_auth(s, &b);
	buf_free(&b);
}

enum proof {
	PROOF_QUERY,
	PROOF_GOOD,
	PROOF_BOUND,	/* names the gateway's host key */
	PROOF_ELSEWHERE /* for another session */
};

/* publickey for the login of arg. */
static void
send_publickey(struct driver *d, struct slot *s, uint8_t arg, const struct world_key *key,
    const struct buf *blob, enum proof what)
{
	const struct world_key *host = s->signed_by_ec ? &d->world.host_ec : &d->world.host;
	struct buf b, data, sig;

	begin_auth(&b, login_of(arg), what == PROOF_BOUND ? hostbound : "publickey");
	wire_put_bool(&b, what != PROOF_QUERY);
	wire_put_text(&b, blob == &key->pub ? key->type : "ssh-ed25519-cert-v01@openssh.com");
	wire_put_string(&b, blob->data, blob->len);
	if (what == PROOF_BOUND)
		wire_put_string(&b, host->pub.data, host->pub.len);
	if (what != PROOF_QUERY) {
		buf_init(&data, IPC_MAX);
		buf_init(&sig, 512);
		if (what == PROOF_ELSEWHERE)
			wire_put_string(&data, d->nonce, HASH_SIZE);
		else
			wire_put_string(&data, s->hash, HASH_SIZE);
		buf_put(&data, b.data, b.len);
		world_sign(key, data.data, data.len, &sig);
		wire_put_string(&b, sig.data, sig.len);
		buf_free(&sig);
		buf_free(&data);
	}
	if (s->has_hash && key == &d->world.person && (what == PROOF_GOOD || what == PROOF_BOUND) &&
	    (blob == &key->pub ? login_of(arg) != 'c' : blob == &d->world.certificate))
		s->proofs |= login_bit(login_of(arg));
	send_auth(s, &b);
	buf_free(&b);
}

static void
step_query(struct driver *d, struct slot *s, uint8_t arg)
{
	send_publickey(d, s, arg, &d->world.person, &d->world.person.pub, PROOF_QUERY);
}

static void
step_query_stranger(struct driver *d, struct slot *s, uint8_t arg)
{
	send_publickey(d, s, arg, &d->world.stranger, &d->world.stranger.pub, PROOF_QUERY);
}

static void
step_proof(struct driver *d, struct slot *s, uint8_t arg)
{
	send_publickey(d, s, arg, &d->world.person, &d->world.person.pub, PROOF_GOOD);
}

static void
step_proof_bound(struct driver *d, struct slot *s, uint8_t arg)
{
	send_publickey(d, s, arg, &d->world.person, &d->world.person.pub, PROOF_BOUND);
}

static void
step_proof_stranger(struct driver *d, struct slot *s, uint8_t arg)
{
	send_publickey(d, s, arg, &d->world.stranger, &d->world.stranger.pub, PROOF_GOOD);
}

static void
step_proof_elsewhere(struct driver *d, struct slot *s, uint8_t arg)
{
	send_publickey(d, s, arg, &d->world.person, &d->world.person.pub, PROOF_ELSEWHERE);
}

static void
step_certificate(struct driver *d, struct slot *s, uint8_t arg)
{
	send_publickey(d, s, arg, &d->world.person, &d->world.certificate, PROOF_GOOD);
}

static void
step_forged(struct driver *d, struct slot *s, uint8_t arg)
{
	send_publickey(d, s, arg, &d->world.person, &d->world.forged, PROOF_GOOD);
}

/* A password that may be said to be right: it tells whose it is. */
static void
put_password(const struct slot *s, struct buf *b)
{
	char text[64];

	snprintf(text, sizeof(text), "good:%ju", (uintmax_t)s->id);
	wire_put_text(b, text);
}

static void
step_password(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	begin_auth(&b, login_of(arg), "password");
	wire_put_bool(&b, 0);
	put_password(s, &b);
	send_auth(s, &b);
	buf_free(&b);
}

static void
step_conversation(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	begin_auth(&b, login_of(arg), "keyboard-interactive");
	wire_put_text(&b, "");
	wire_put_text(&b, "");
	send_auth(s, &b);
	buf_free(&b);
}

static void
step_response(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	buf_init(&b, 256);
	buf_put_u8(&b, SSH_MSG_USERAUTH_INFO_RESPONSE);
	wire_put_u32(&b, 1);
	put_password(s, &b);
	send_auth(s, &b);
	buf_free(&b);
}

/* w: a wrong one. */
static void
step_code(struct driver *d, struct slot *s, uint8_t arg)
{
	char code[TOTP_DIGITS_MAX + 1] = "wrong";
	struct buf b;

	if (arg != 'w') {
		world_code(&d->world, code);
		s->code = 1;
	}
	buf_init(&b, 256);
	buf_put_u8(&b, SSH_MSG_USERAUTH_INFO_RESPONSE);
	wire_put_u32(&b, 1);
	wire_put_text(&b, code);
	send_auth(s, &b);
	buf_free(&b);
}

/* A yes is said of passwords that are right alone. */
void
step_answer_check(struct driver *d, int yes)
{
	uintmax_t id;
	struct buf b;
	size_t i, j;

	for (i = 0; i < CHECKS && d->checks[i].sock == -1; i++)
		;
	if (i == CHECKS)
		return;
	yes = yes && sscanf(d->checks[i].text, "good:%ju", &id) == 1;
	for (j = 0; yes && j < SLOTS; j++)
		if (d->slots[j].sock != -1 && d->slots[j].id == id)
			d->slots[j].passwords |= login_bit(d->checks[i].login);
	ipc_begin(&b, IPC_PASSWORD_OK);
	wire_put_bool(&b, yes);
	step_send(d->checks[i].sock, &b, -1);
	fd_close(&d->checks[i].sock);
}

static void
step_checked(struct driver *d, struct slot *s, uint8_t arg)
{
	step_answer_check(d, arg != '0');
}

/* The errand of a session. */
static void
step_dialled(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	ipc_begin(&b, IPC_DIALLED);
	wire_put_text(&b, arg == '?' ? "elsewhere" : "127.0.0.1");
	wire_put_text(&b, arg == 'b' ? "b does not answer" : "");
	wire_put_u32(&b, arg == 'b');
	if (arg == 'b')
		wire_put_text(&b, "b");
	step_send(s->errand, &b, fd);
	fd_close(&fd);
}

static void
step_not_dialled(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	ipc_begin(&b, IPC_DIAL_FAILED);
	wire_put_text(&b, "nobody is there");
	wire_put_u32(&b, 0);
	step_send(s->errand, &b, -1);
}

static void
step_ran(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b, text;

	buf_init(&text, 4096);
	if (arg == '2')
		buf_putf(&text, "no route\n");
	else
		world_route_text(&d->world, &text);
	ipc_begin(&b, IPC_RAN);
	ipc_ran_put(&b,
	    &(struct ipc_ran){ .failure = arg == '3' ? "killed" : "",
		.status = arg == '1',
		.out = { text.data, text.len },
		.said = "" });
	s->factor_passed |= s->factor && arg != '1' && arg != '3';
	step_send(s->errand, &b, -1);
	buf_free(&text);
}

/* The program of a factor asks so many questions; x: more than it may, e: with bytes that a client is not to see. */
static void
step_factor_asks(struct driver *d, struct slot *s, uint8_t arg)
{
	static const uint8_t text[] = "Code\0\x1b[2J\xff: ";
	struct ipc_factor_ask ask = { .info = { text, sizeof(text) - 1 } };
	struct buf b;
	uint32_t i;

	ask.n = arg >= '0' && arg <= '8' ? (uint32_t)(arg - '0') : 1;
	for (i = 0; i < ask.n; i++)
		ask.questions[i] = (struct ipc_question){ 0,
			{ text, arg == 'e' ? sizeof(text) - 1 : 4 } };
	ipc_begin(&b, IPC_FACTOR_ASK);
	if (arg == 'x') {
		wire_put_text(&b, "");
		wire_put_u32(&b, IPC_QUESTIONS_MAX + 1);
	} else {
		ipc_factor_ask_put(&b, &ask);
	}
	step_send(s->errand, &b, -1);
}

/* n: an answer with a newline; 0: none; else so many. */
static void
step_factor_answers(struct driver *d, struct slot *s, uint8_t arg)
{
	const uint32_t n = arg >= '0' && arg <= '8' ? (uint32_t)(arg - '0') : 1;
	struct buf b;
	uint32_t i;

	buf_init(&b, 256);
	buf_put_u8(&b, SSH_MSG_USERAUTH_INFO_RESPONSE);
	wire_put_u32(&b, n);
	for (i = 0; i < n; i++)
		wire_put_text(&b, arg == 'n' ? "a\nb" : "a");
	send_auth(s, &b);
	buf_free(&b);
}

static void
step_errand_dies(struct driver *d, struct slot *s, uint8_t arg)
{
	fd_close(&s->errand);
}

static void
step_end(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	ipc_begin(&b, IPC_END);
	ipc_end_put(&b,
	    &(struct ipc_end){ .reason = arg == 'g' ? "LoginGraceTime is over" : "the end",
		.from_client = 1,
		.to_client = 2,
		.how = arg & 7,
		.code = arg,
		.text = "text" });
	step_send(s->sock, &b, -1);
}

/* A tunnel: 0: whose name and port are the gateway's choice, p: a port of TunnelPorts, a: another name; else the
 * name is the argument. */
static void
put_tunnel(struct buf *b, uint8_t arg)
{
	const char name[2] = { (char)arg, '\0' };

	wire_put_text(b, arg == '0' ? "localhost" : arg == 'a' || arg == 'p' ? "a-1" : name);
	wire_put_u32(b, arg == '0' ? 0 : arg == 'p' ? 20003 : 22);
}

static void
step_listen(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	ipc_begin(&b, IPC_TUNNEL_LISTEN);
	put_tunnel(&b, arg);
	step_send(s->sock, &b, -1);
}

static void
step_cancel(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	ipc_begin(&b, IPC_TUNNEL_CANCEL);
	put_tunnel(&b, arg);
	step_send(s->sock, &b, -1);
}

static void
step_taken(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	ipc_begin(&b, IPC_TUNNEL_TAKEN);
	step_send(s->sock, &b, -1);
}

/* As the master: the port that was asked for last, or x: there is none. */
static void
step_bound(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	ipc_begin(&b, IPC_TUNNEL_BOUND);
	wire_put_u64(&b, d->bind);
	wire_put_u32(&b, arg == 'x' ? 0 : 20003);
	wire_put_text(&b, arg == 'x' ? "taken" : "");
	step_send(d->master, &b, -1);
}

/* As the master: somebody connects to the tunnel w, or p: to the port. */
static void
step_visit(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	ipc_begin(&b, IPC_TUNNEL_VISIT);
	ipc_visit_put(&b,
	    &(struct ipc_visit){ .name = arg == 'p' ? "" : "w",
		.port = arg == 'p' ? 20003 : 80,
		.http = arg == 'h',
		.client = "192.0.2.1",
		.client_port = 1 });
	step_send(d->master, &b, fd);
	fd_close(&fd);
}

/* l: load; g: does the keeper answer; w: is this a password; c: what was loaded is in force; anything else: it
 * is not. */
void
step_master(struct driver *d, uint8_t arg)
{
	struct buf b;

	ipc_begin(&b,
	    arg == 'l'	   ? IPC_RELOAD :
		arg == 'g' ? IPC_PING :
		arg == 'w' ? IPC_CHECK_PASSWORD :
			     IPC_COMMIT);
	if (arg == 'w') {
		wire_put_u64(&b, 1);
		wire_put_text(&b, "gw:secret");
	} else if (arg != 'l' && arg != 'g') {
		wire_put_bool(&b, arg == 'c');
	}
	step_send(d->master, &b, -1);
}

static void
step_reload(struct driver *d, struct slot *s, uint8_t arg)
{
	step_master(d, arg);
}

/* Messages of any kind; see raw_step(). */
#define RAW "@!#~%$^&"

static const struct {
	char name;
	void (*play)(struct driver *, struct slot *, uint8_t arg);
} steps[] = {
	{ 'O', step_open },
	{ 'X', step_close },
	{ 'S', step_sign },
	{ 'V', step_prove },
	{ 'A', step_none },
	{ 'Q', step_query },
	{ 'q', step_query_stranger },
	{ 'P', step_proof },
	{ 'B', step_proof_bound },
	{ 'p', step_proof_stranger },
	{ 'w', step_proof_elsewhere },
	{ 'C', step_certificate },
	{ 'c', step_forged },
	{ 'W', step_password },
	{ 'K', step_conversation },
	{ 'R', step_response },
	{ 'M', step_code },
	{ 'Y', step_checked },
	{ 'D', step_dialled },
	{ 'd', step_not_dialled },
	{ 'E', step_ran },
	{ 'e', step_errand_dies },
	{ 'm', step_factor_asks },
	{ 'r', step_factor_answers },
	{ 'H', step_host_key },
	{ 'h', step_foreign_key },
	{ 'l', step_looked },
	{ 'a', step_ca },
	{ 'U', step_ready },
	{ 'u', step_upstream },
	{ 'G', step_agent },
	{ 'g', step_agent_failed },
	{ 'F', step_upstream_failed },
	{ 'J', step_carried },
	{ 'j', step_not_carried },
	{ 'T', step_listen },
	{ 't', step_cancel },
	{ 'k', step_taken },
	{ 'b', step_bound },
	{ 'v', step_visit },
	{ 'Z', step_end },
	{ 'L', step_reload },
	{ 'I', tls_step_open },
	{ 'i', tls_step_sign },
	{ 'N', tls_step_done },
	{ 'n', tls_step_failed },
	{ 'x', tls_step_close },
};

#define NSTEPS (sizeof(steps) / sizeof(steps[0]))

static int
from_session(uint8_t type)
{
	switch (type) {
	case IPC_SIGN:
	case IPC_PROVE:
	case IPC_AUTH:
	case IPC_HOST_KEY:
	case IPC_UPSTREAM_READY:
	case IPC_UPSTREAM_AUTH:
	case IPC_UPSTREAM_FAILED:
	case IPC_AGENT_OPEN:
	case IPC_AGENT_ANSWER:
	case IPC_AGENT_FAILED:
	case IPC_CARRIED:
	case IPC_CARRY_FAILED:
	case IPC_TUNNEL_LISTEN:
	case IPC_TUNNEL_CANCEL:
	case IPC_TUNNEL_TAKEN:
	case IPC_END:
		return 1;
	}
	return 0;
}

/*
 * Bytes as they are: @ a session's message, ! with a descriptor, # an errand's, ~ that of one that
 * looks at a machine, % that of one that checks passwords; or wrapped as the payload of a client ($), of the upstream (^), of the agent (&).
 */
static void
raw_step(struct driver *d, struct slot *s, char what, uint8_t type, struct bytes body)
{
	struct buf b, payload;
	int fd;

	ipc_begin(&b, type);
	buf_put(&b, body.p, body.len);
	switch (what) {
	case '@':
		s->bad |= s->sock != -1 && !from_session(type) && type < IPC_READY + 64;
		step_send(s->sock, &b, -1);
		break;
	case '!':
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		s->bad |= s->sock != -1;
		step_send(s->sock, &b, fd);
		fd_close(&fd);
		break;
	case '#':
		s->factor_passed |= s->factor && type == IPC_RAN;
		step_send(s->errand, &b, -1);
		break;
	case '~':
		step_send(d->looks[0], &b, -1);
		break;
	case '%':
		/* it must not say yes, which is step_checked()'s to say */
		if (type == IPC_PASSWORD_OK)
			buf_wipe(&b);
		else
			step_send(d->checks[0].sock, &b, -1);
		break;
	default:
		buf_wipe(&b);
		buf_init(&payload, IPC_MAX);
		buf_put_u8(&payload, type);
		buf_put(&payload, body.p, body.len);
		if (what == '$') {
			send_auth(s, &payload);
		} else if (what == '^') {
			step_upstream_auth(s, &payload);
		} else {
			ipc_begin(&b, IPC_AGENT_ANSWER);
			wire_put_string(&b, payload.data, payload.len);
			step_send(s->sock, &b, -1);
		}
		buf_free(&payload);
	}
}

void
step_play(struct driver *d, struct wire *w)
{
	uint8_t name = wire_u8(w), slot, arg;
	size_t i;

	if (name == ' ' || name == '\n')
		return;
	slot = wire_u8(w);
	arg = wire_u8(w);
	if (wire_err(w) != 0)
		return;
	slot = (uint8_t)(slot - '0') % SLOTS;
	if (name != '\0' && strchr(RAW, name) != NULL) {
		raw_step(d, &d->slots[slot], (char)name, arg, wire_bytes(w, wire_u8(w)));
	} else {
		for (i = 0; i < NSTEPS && steps[i].name != (char)name; i++)
			;
		steps[i < NSTEPS ? i : name % NSTEPS].play(d, &d->slots[slot], arg);
	}
}
