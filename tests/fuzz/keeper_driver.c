/*
 * What the keeper answers to the steps of a script (keeper_steps.c), and what it may not.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "auth/auth_request.h"
#include "formats/cert.h"
#include "formats/pubkey.h"
#include "base/fd.h"
#include "fuzz.h"
#include "keeper_driver_private.h"
#include "transport/keys.h"

#define STEPS_MAX 400
/* Rounds of the keeper's loop that one step may cause. */
#define ROUNDS_MAX 1000

static struct driver driver = { .master = -1 };

unsigned int
login_bit(char login)
{
	const char *at = login == '\0' ? NULL : strchr(world_logins, login);

	return at == NULL ? 0 : 1U << (at - world_logins);
}

/* --- what the keeper says --- */

static struct ksession *
ksession_of(const struct slot *slot)
{
	struct ksession *s;

	TAILQ_FOREACH(s, &driver.keeper.sessions, entry)
		if (s->id == slot->id && (s->link.parent != NULL) == slot->hop)
			return s;
	return NULL;
}

/* The slot of the session with this number, or of its hop; NULL: there is none. */
static struct slot *
slot_of(uint64_t id, int hop)
{
	size_t i;

	for (i = 0; i < SLOTS; i++)
		if (driver.slots[i].sock != -1 && driver.slots[i].id == id &&
		    driver.slots[i].hop == hop)
			return &driver.slots[i];
	return NULL;
}

/* Has the session, or that of the hop, earned what its login opens? */
static int
earned(const struct slot *slot)
{
	const struct ksession *s;
	const char *login;
	int needs;

	if (slot->hop)
		slot = slot_of(slot->id, 0);
	CHECK(slot != NULL);
	s = ksession_of(slot);
	CHECK(s != NULL && s->down.auth != NULL);
	login = auth_server_login(s->down.auth);
	needs = world_needs(login[0]);
	CHECK(login[0] != '\0' && login[1] == '\0');
	return ((needs & WORLD_KEY) == 0 || (slot->proofs & login_bit(login[0])) != 0) &&
	    ((needs & WORLD_PASSWORD) == 0 || (slot->passwords & login_bit(login[0])) != 0) &&
	    ((needs & WORLD_CODE) == 0 || slot->code) &&
	    ((needs & WORLD_FACTOR) == 0 || slot->factor_passed);
}

static int
needs_of(const struct slot *slot)
{
	if (slot->hop)
		return WORLD_KEY;
	return world_needs(auth_server_login(ksession_of(slot)->down.auth)[0]);
}

/* It may be told this machine by this session. */
static int
judged(const struct slot *slot)
{
	return slot->host == HOST_KNOWN ||
	    (slot->host == HOST_FOREIGN && (needs_of(slot) & WORLD_ANY_HOST));
}

/* Does the file of accept-new have this key? */
static int
learnt(const struct world_key *key)
{
	struct buf text, line;
	int found = 0;

	buf_init(&text, 65536);
	buf_init(&line, 1024);
	if (world_learnt(&driver.world, &text)) {
		pubkey_format(buf_bytes(&key->pub), &line);
		CHECK(buf_err(&line) == 0);
		found = memmem(text.data, text.len, line.data, line.len) != NULL;
	}
	buf_free(&line);
	buf_free(&text);
	return found;
}

/* Is that a signature by this key, of the request over this session's identifier upstream? */
static void
check_request_signature(const struct slot *slot, const struct auth_request *r, struct bytes key,
    const char *alg)
{
	uint8_t flags;
	struct buf data;

	buf_init(&data, IPC_MAX * 2);
	auth_request_signed(r, (struct bytes){ slot->machine_hash, HASH_SIZE }, &data);
	CHECK(key_verify(key, alg, r->signature, data.data, data.len, &flags) == 0);
	buf_free(&data);
}

/* A certificate by the mapped key, of the routes that have it as their CA: 1, or 0 if it is none. */
static int
check_certificate(const struct slot *slot, const struct auth_request *r)
{
	static uint64_t last;
	struct cert c;
	struct buf key;
	char login[2];

	if (cert_parse(&c, r->blob) != 0 || !bytes_equal(c.ca, buf_bytes(&driver.world.mapped.pub)))
		return 0;
	CHECK(earned(slot) && slot->host == HOST_KNOWN && c.kind == CERT_USER);
	snprintf(login, sizeof(login), "%s", auth_server_login(ksession_of(slot)->down.auth));
	CHECK((login[0] == 'i' || login[0] == 'j') && cert_has_principal(&c, login));
	CHECK(c.key_id.len > 2 && c.key_id.p[0] == (uint8_t)login[0] && c.key_id.p[1] == ' ');
	CHECK(c.serial > last);
	last = c.serial;
	buf_init(&key, 4096);
	cert_put_key(r->blob, &key);
	check_request_signature(slot, r, buf_bytes(&key), "ssh-ed25519");
	buf_free(&key);
	return 1;
}

/* Is this the login whose certificates an agent signs? */
static int
certified_by_agent(const struct slot *slot)
{
	const struct ksession *s = slot->sock != -1 && !slot->hop ? ksession_of(slot) : NULL;

	return s != NULL && s->down.auth != NULL && auth_server_login(s->down.auth)[0] == 'l';
}

/* The same, by the CA that an agent has. */
static void
check_certificate_by_agent(const struct slot *slot, const struct auth_request *r)
{
	struct cert c;
	struct buf key;
	uint8_t flags;

	CHECK(cert_parse(&c, r->blob) == 0 && bytes_equal(c.ca, buf_bytes(&driver.world.ca.pub)));
	CHECK(key_verify(c.ca, driver.world.ca.type, c.signature, c.covered.p, c.covered.len,
		  &flags) == 0);
	CHECK(earned(slot) && slot->host == HOST_KNOWN && cert_has_principal(&c, "l"));
	buf_init(&key, 4096);
	cert_put_key(r->blob, &key);
	check_request_signature(slot, r, buf_bytes(&key), "ssh-ed25519");
	buf_free(&key);
}

static void
check_signature(const struct slot *slot, const struct auth_request *r)
{
	char alg[64];

	if (!r->has_signature || check_certificate(slot, r))
		return;
	if (certified_by_agent(slot)) {
		check_certificate_by_agent(slot, r);
		return;
	}
	if (!bytes_equal(r->blob, buf_bytes(&driver.world.mapped.pub)) &&
	    !bytes_equal(r->blob, buf_bytes(&driver.world.mapped_ec.pub))) {
		/* the agent's, or whatever the agent says */
		CHECK(slot->agent_request.len > 0);
		return;
	}
	/* a hop has its own route's key, and the session behind it that of the user's route */
	if (slot->hop)
		CHECK(bytes_equal(r->blob, buf_bytes(&driver.world.mapped_ec.pub)));
	else if (auth_server_login(ksession_of(slot)->down.auth)[0] == 'v')
		CHECK(bytes_equal(r->blob, buf_bytes(&driver.world.mapped.pub)));
	CHECK(earned(slot) && judged(slot) && (needs_of(slot) & WORLD_UNSIGNED) == 0);
	/* where any host key will do, the signature is for that one alone */
	if (slot->host != HOST_KNOWN && !learnt(&driver.world.foreign))
		CHECK(
		    r->hostbound && bytes_equal(r->host_key, buf_bytes(&driver.world.foreign.pub)));
	CHECK(auth_name_ok(r->alg, sizeof(alg)));
	memcpy(alg, r->alg.p, r->alg.len);
	alg[r->alg.len] = '\0';
	check_request_signature(slot, r, r->blob, alg);
}

/* A proof of host keys: each of its signatures is by one of them, over this session's identifier. */
static void
check_proof(const struct slot *slot, struct wire *w)
{
	const struct world_key *keys[] = { &driver.world.host, &driver.world.host_ec };
	struct bytes signature;
	struct buf data;
	uint8_t flags;
	size_t i;

	if (!wire_bool(w))
		return;
	CHECK(slot->success);
	while (w->left > 0) {
		signature = wire_string(w);
		CHECK(wire_err(w) == 0);
		for (i = 0; i < 2; i++) {
			buf_init(&data, 4096);
			wire_put_text(&data, "hostkeys-prove-00@openssh.com");
			wire_put_string(&data, slot->hash, HASH_SIZE);
			wire_put_bytes(&data, buf_bytes(&keys[i]->pub));
			if (key_verify(buf_bytes(&keys[i]->pub), keys[i]->type, signature,
				data.data, data.len, &flags) == 0)
				i = 2;
			buf_free(&data);
		}
		CHECK(i > 2);
	}
}

/* A payload for the machine behind. */
static void
to_upstream(struct slot *slot, struct bytes payload)
{
	struct auth_request r;
	struct bytes password;
	int change;

	buf_reset(&slot->request);
	buf_put(&slot->request, payload.p, payload.len);
	CHECK(payload.len > 0 && judged(slot));
	if (payload.p[0] != SSH_MSG_USERAUTH_REQUEST)
		return;
	CHECK(auth_request_parse(&r, payload.p, payload.len) == 0);
	if (r.publickey)
		check_signature(slot, &r);
	if (bytes_is(r.method, "password") &&
	    auth_request_password(r.rest, &change, &password) == 0 &&
	    bytes_is(password, WORLD_PASSWORD_TEXT))
		CHECK(earned(slot) && slot->host == HOST_KNOWN);
}

void
slot_close(struct slot *slot)
{
	fd_close(&slot->sock);
	fd_close(&slot->errand);
	buf_free(&slot->request);
	buf_free(&slot->agent_request);
	*slot = (struct slot){ .sock = -1,
		.errand = -1,
		.tls = slot->tls,
		.tls_id = slot->tls_id,
		.tls_wants_certificate = slot->tls_wants_certificate,
		.tls_asked = slot->tls_asked,
		.tls_good = slot->tls_good,
		.tls_signed = slot->tls_signed,
		.tls_done = slot->tls_done,
		.tls_certified = slot->tls_certified,
		.tls_text = slot->tls_text };
}

/* One message for a session. */
static void
to_session(struct slot *slot, uint8_t type, struct wire *w)
{
	const struct slot *hop = slot_of(slot->id, 1);
	struct bytes payload;

	/* nothing of the client's is a hop's */
	CHECK(!slot->hop || type == IPC_HOP || type == IPC_UPSTREAM_FD || type == IPC_UPSTREAM ||
	    type == IPC_HOST_KEY_OK || type == IPC_CARRY);
	switch (type) {
	case IPC_HOP:
		CHECK(slot->hop && earned(slot));
		break;
	case IPC_CARRY:
		CHECK(slot->hop && slot->success && judged(slot) && earned(slot));
		break;
	case IPC_SIGNATURE:
		if (wire_bool(w) && !slot->has_hash) {
			slot->has_hash = 1;
			memcpy(slot->hash, slot->asked_hash, HASH_SIZE);
		}
		break;
	case IPC_PROOF:
		check_proof(slot, w);
		break;
	case IPC_UPSTREAM_FD:
		CHECK(earned(slot) || (needs_of(slot) & WORLD_CARRIED));
		if (!slot->hop && auth_server_login(ksession_of(slot)->down.auth)[0] == 'v')
			CHECK(hop != NULL && hop->carries);
		break;
	case IPC_HOST_KEY_OK:
		slot->host = wire_bool(w) ? slot->shown : HOST_NONE;
		CHECK(slot->host == HOST_NONE || judged(slot));
		break;
	case IPC_UPSTREAM:
		while (w->left > 0) {
			payload = wire_string(w);
			CHECK(wire_err(w) == 0);
			to_upstream(slot, payload);
		}
		break;
	case IPC_AGENT:
		CHECK(earned(slot) && judged(slot));
		break;
	case IPC_AGENT_REQUEST:
		payload = wire_string(w);
		buf_reset(&slot->agent_request);
		buf_put(&slot->agent_request, payload.p, payload.len);
		CHECK(earned(slot) && judged(slot));
		break;
	case IPC_JUMP:
		CHECK((needs_of(slot) & WORLD_HOLDS) != 0 && earned(slot));
		slot->success = 1;
		break;
	case IPC_TUNNEL_ANSWER:
	case IPC_TUNNEL_CONNECTION:
	case IPC_TUNNEL_LOST:
		CHECK((needs_of(slot) & WORLD_HOLDS) != 0 && earned(slot) && slot->success);
		break;
	case IPC_RELAY:
		CHECK(slot->success && (judged(slot) || (needs_of(slot) & WORLD_HOLDS) != 0));
		CHECK(earned(slot) || (needs_of(slot) & WORLD_CARRIED));
		break;
	}
}

/* Read all that the keeper has sent it. */
static void
slot_drain(struct slot *slot)
{
	static uint8_t message[IPC_MAX];
	struct wire w;
	ssize_t n;
	int fd;

	while (slot->sock != -1) {
		n = fd_recv(slot->sock, message, sizeof(message), &fd, MSG_DONTWAIT);
		if (n == ERR_AGAIN)
			return;
		if (n <= 0) {
			slot_close(slot);
			return;
		}
		wire_init(&w, message + 1, (size_t)n - 1);
		CHECK((fd != -1) ==
		    (message[0] == IPC_UPSTREAM_FD || message[0] == IPC_CARRY ||
			message[0] == IPC_TUNNEL_CONNECTION));
		fd_close(&fd);
		if (ksession_of(slot) != NULL)
			to_session(slot, message[0], &w);
	}
}

/* What a program of Factor is told: lines. */
static void
factor_drain(struct slot *slot)
{
	static uint8_t message[IPC_MAX];
	struct bytes answer;
	struct wire w;
	ssize_t n;
	int fd;

	while (slot->factor && slot->errand != -1 &&
	    (n = fd_recv(slot->errand, message, sizeof(message), &fd, MSG_DONTWAIT)) > 0) {
		CHECK(fd == -1 && message[0] == IPC_FACTOR_ANSWERS);
		wire_init(&w, message + 1, (size_t)n - 1);
		while (w.left > 0) {
			answer = wire_string(&w);
			CHECK(wire_err(&w) == 0 && answer.len <= IPC_QUESTION_MAX);
			CHECK(answer.len == 0 || memchr(answer.p, '\n', answer.len) == NULL);
		}
	}
}

/* A password that is to be checked: it waits in the socket. */
static void
take_check(int fd)
{
	static uint8_t message[IPC_MAX];
	struct bytes password;
	const struct ksession *session;
	struct wire w;
	uintmax_t id;
	size_t i;
	ssize_t n;
	int none;

	for (i = 0; i < CHECKS && driver.checks[i].sock != -1; i++)
		;
	CHECK(i < CHECKS);
	n = fd_recv(fd, message, sizeof(message), &none, MSG_DONTWAIT);
	CHECK(n > 0 && none == -1 && message[0] == IPC_PASSWORD);
	wire_init(&w, message + 1, (size_t)n - 1);
	CHECK(wire_string(&w).len > 0); /* hash */
	password = wire_string(&w);
	CHECK(wire_end(&w) == 0);
	driver.checks[i].sock = fd;
	driver.checks[i].login = '\0';
	snprintf(driver.checks[i].text, sizeof(driver.checks[i].text), "%.*slot", (int)password.len,
	    (const char *)password.p);
	if (sscanf(driver.checks[i].text, "good:%ju", &id) != 1)
		return;
	TAILQ_FOREACH(session, &driver.keeper.sessions, entry)
		if (session->down.auth != NULL && session->id == id)
			driver.checks[i].login = auth_server_login(session->down.auth)[0];
}

static void
take_look(int fd)
{
	size_t i;

	for (i = 0; i < LOOKS && driver.looks[i] != -1; i++)
		;
	if (i < LOOKS)
		driver.looks[i] = fd;
	else
		fd_close(&fd);
}

/* An agent is to sign a certificate, for somebody who has earned it. */
static void
take_ca(int fd, const uint8_t *message, size_t len)
{
	struct ipc_ca_sign m;
	size_t i, n = 0;
	struct wire w;

	wire_init(&w, message + 1, len - 1);
	CHECK(message[0] == IPC_CA_SIGN && ipc_ca_sign_get(&w, &m) == 0);
	CHECK(strcmp(m.path, "/agent") == 0 && strcmp(m.alg, driver.world.ca.type) == 0 &&
	    bytes_equal(m.ca, buf_bytes(&driver.world.ca.pub)) &&
	    memmem(m.data.p, m.data.len, "l session ", 10) != NULL);
	for (i = 0; i < SLOTS; i++)
		n += certified_by_agent(&driver.slots[i]) && earned(&driver.slots[i]) &&
		    driver.slots[i].host == HOST_KNOWN;
	CHECK(n > 0);
	fd_close(&driver.ca);
	driver.ca = fd;
	buf_reset(&driver.ca_signed);
	buf_reset(&driver.ca_by_stranger);
	world_sign(&driver.world.ca, m.data.p, m.data.len, &driver.ca_signed);
	world_sign(&driver.world.stranger, m.data.p, m.data.len, &driver.ca_by_stranger);
}

/* The carrier of a hop, which has its order in its socket; if all slots are taken, it dies. */
static void
take_hop(int fd)
{
	static uint8_t message[IPC_MAX];
	struct slot *slot = driver.slots;
	struct wire w;
	ssize_t n;
	int none;

	while (slot < driver.slots + SLOTS && slot->sock != -1)
		slot++;
	if (slot == driver.slots + SLOTS) {
		fd_close(&fd);
		return;
	}
	n = fd_recv(fd, message, sizeof(message), &none, MSG_DONTWAIT);
	CHECK(n > 9 && none == -1 && message[0] == IPC_HOP);
	wire_init(&w, message + 1, (size_t)n - 1);
	/* it is as slot_close() has left it */
	slot->id = wire_u64(&w);
	slot->hop = 1;
	slot->sock = fd;
	buf_init(&slot->request, IPC_MAX);
	buf_init(&slot->agent_request, IPC_MAX);
}

static void
master_drain(void)
{
	static uint8_t message[IPC_MAX];
	struct wire w;
	uint64_t id;
	uint8_t kind;
	ssize_t n;
	size_t i;
	int fd, none;

	if (driver.master == -1)
		return;
	while ((n = fd_recv(driver.master, message, sizeof(message), &fd, MSG_DONTWAIT)) > 0) {
		CHECK((fd != -1) == (message[0] == IPC_ERRAND));
		if (message[0] == IPC_TUNNEL_BIND) {
			wire_init(&w, message + 1, (size_t)n - 1);
			driver.bind = wire_u64(&w);
		}
		if (message[0] == IPC_TLS_OPEN) {
			wire_init(&w, message + 1, (size_t)n - 1);
			tls_opened(&driver, wire_u64(&w));
		}
		if (fd == -1)
			continue;
		kind = message[1];
		if (kind == IPC_ERRAND_PASSWORD) {
			take_check(fd);
			continue;
		}
		if (kind == IPC_ERRAND_HOP) {
			take_hop(fd);
			continue;
		}
		n = fd_recv(fd, message, sizeof(message), &none, MSG_DONTWAIT);
		CHECK(n > 0 && none == -1);
		if (kind == IPC_ERRAND_LOOK) {
			CHECK(message[0] == IPC_LOOK);
			take_look(fd);
			continue;
		}
		if (kind == IPC_ERRAND_CA) {
			take_ca(fd, message, (size_t)n);
			continue;
		}
		CHECK(message[0] ==
		    (kind == IPC_ERRAND_DIAL	      ? IPC_DIAL :
			    kind == IPC_ERRAND_FACTOR ? IPC_FACTOR :
							IPC_RUN));
		wire_init(&w, message + 1, (size_t)n - 1);
		id = wire_u64(&w);
		for (i = 0; i < SLOTS &&
		     (driver.slots[i].sock == -1 || driver.slots[i].hop ||
			 driver.slots[i].id != id);
		     i++)
			;
		if (i < SLOTS) {
			if (kind == IPC_ERRAND_DIAL)
				CHECK(earned(&driver.slots[i]) ||
				    (needs_of(&driver.slots[i]) & WORLD_CARRIED));
			fd_close(&driver.slots[i].errand);
			driver.slots[i].errand = fd;
			driver.slots[i].factor = kind == IPC_ERRAND_FACTOR;
		} else {
			fd_close(&fd);
		}
	}
	CHECK(n == ERR_AGAIN);
}

/* Let the keeper work until it waits. */
static void
settle(void)
{
	const struct ksession *slot;
	size_t i;
	int n;

	for (n = 0; n < ROUNDS_MAX; n++) {
		i = keeper_step(&driver.keeper, 0) == 0;
		TAILQ_FOREACH(slot, &driver.keeper.sessions, entry)
			driver.reached |= slot->phase;
		if (i == 1)
			break;
		master_drain();
		for (i = 0; i < SLOTS; i++)
			slot_drain(&driver.slots[i]);
		for (i = 0; i < SLOTS; i++)
			factor_drain(&driver.slots[i]);
		for (i = 0; i < SLOTS; i++)
			tls_drain(&driver, &driver.slots[i]);
	}
	CHECK(n < ROUNDS_MAX);
	for (i = 0; i < SLOTS; i++)
		CHECK(!driver.slots[i].bad || driver.slots[i].sock == -1);
	/* no session has a host key written down that the gateway itself has not been shown */
	CHECK(driver.looked_foreign || !learnt(&driver.world.foreign));
	CHECK(driver.looked_machine || !learnt(&driver.world.machine));
}

/* --- from the beginning to the end --- */

void
driver_start(void)
{
	struct conf_errors errors = { 0 };
	char conf[96];
	int pair[2];
	size_t i;

	world_make(&driver.world);
	randombytes_buf(driver.nonce, sizeof(driver.nonce));
	for (i = 0; i < SLOTS; i++)
		driver.slots[i] = (struct slot){ .sock = -1, .errand = -1, .tls = -1 };
	for (i = 0; i < CHECKS; i++)
		driver.checks[i].sock = -1;
	for (i = 0; i < LOOKS; i++)
		driver.looks[i] = -1;
	driver.ca = -1;
	buf_init(&driver.ca_signed, 512);
	buf_init(&driver.ca_by_stranger, 512);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	driver.master = pair[0];
	keeper_init(&driver.keeper, pair[1]);
	snprintf(conf, sizeof(conf), "%s/conf.d", driver.world.dir);
	if (snapshot_load(conf, NULL, &driver.keeper.now, &errors) != 0) {
		conf_errors_print(&errors, stderr);
		abort();
	}
	decoy_init(&driver.keeper);
	CHECK(keeper_ready(&driver.keeper) == 0);
	conf_set_log(&driver.keeper.now->conf->gateway);
	settle();
}

void
driver_stop(void)
{
	fd_close(&driver.master);
	settle();
	CHECK(driver.keeper.master == -1);
	fd_close(&driver.keeper.epoll);
	snapshot_unref(&driver.keeper.now);
	buf_free(&driver.ca_signed);
	buf_free(&driver.ca_by_stranger);
	world_remove(&driver.world);
}

/* More than the keeper and its sessions here ever have. */
#define FDS_MAX 128

static int
fds_open(void)
{
	int fd, n = 0;

	for (fd = 0; fd < FDS_MAX; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static int
any_check(void)
{
	int i;

	for (i = 0; i < CHECKS; i++)
		if (driver.checks[i].sock != -1)
			return 1;
	return 0;
}

/* All hang up; and nothing may be left. */
static void
hang_up(void)
{
	size_t i;

	step_master(&driver, 'n');
	for (i = 0; i < LOOKS; i++)
		fd_close(&driver.looks[i]);
	fd_close(&driver.ca);
	for (i = 0; i < SLOTS; i++)
		slot_close(&driver.slots[i]);
	for (i = 0; i < SLOTS; i++)
		tls_step_close(&driver, &driver.slots[i], 0);
	settle();
	CHECK(TAILQ_EMPTY(&driver.keeper.tls) && TAILQ_EMPTY(&driver.keeper.tls_ended));
	/* a password is checked to the end, whose ever it was */
	for (i = 0; i < 64 && any_check(); i++) {
		step_answer_check(&driver, 0);
		settle();
	}
	for (i = 0; i < CHECKS; i++)
		CHECK(driver.checks[i].sock == -1);
	for (i = 0; i < JOBS_MAX; i++)
		CHECK(driver.keeper.jobs.places[i].sock == -1 &&
		    TAILQ_EMPTY(&driver.keeper.jobs.places[i].jobs));
	for (i = 0; i < JOB_KINDS; i++)
		CHECK(TAILQ_EMPTY(&driver.keeper.jobs.queues[i].list));
	CHECK(TAILQ_EMPTY(&driver.keeper.sessions) && TAILQ_EMPTY(&driver.keeper.ended));
	CHECK(driver.keeper.tunnels.n == 0 && LIST_EMPTY(&driver.keeper.tunnels.with_port));
	CHECK(STAILQ_EMPTY(&driver.keeper.master_queue));
	CHECK(driver.keeper.next == NULL && driver.keeper.now->refs == 1 &&
	    driver.keeper.master != -1);
}

unsigned int
driver_play(const uint8_t *script, size_t len)
{
	int n, fds = fds_open();
	struct wire w;

	world_forget_hosts(&driver.world);
	driver.looked_foreign = driver.looked_machine = 0;
	driver.reached = 0;
	wire_init(&w, script, len);
	for (n = 0; n < STEPS_MAX && w.left > 0 && wire_err(&w) == 0; n++) {
		step_play(&driver, &w);
		settle();
	}
	hang_up();
	CHECK(fds_open() == fds);
	return driver.reached;
}
