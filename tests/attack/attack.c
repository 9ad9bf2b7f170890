/*
 * A build of sallyport for the tests, never for use: a session follows the commands of its client, once
 * it is in its sandbox.  This is the position of an attacker who has found a bug in the code that
 * parses untrusted bytes.
 *
 * Carriers of hops follow the commands of a test that listens on the Unix socket named by
 * SALLYPORT_ATTACK_HOP, if there is one.
 *
 * It is linked from the objects of the product; the linker's --wrap calls the __wrap_ functions in
 * place of the product's.  A client that begins with ATTACK_MAGIC sends frames of u32 length, u8 op,
 * body; each is answered by one frame of u32 length, body.  Every other client is served normally.
 * tests/e2e/lab/taken_over.py is the other end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attack.h"
#include "base/fd.h"
#include "session/session.h"
#include "wire/wire.h"

#define ATTACK_MAGIC "ATTACK!\n"
#define ATTACK_MAGIC_LEN (sizeof(ATTACK_MAGIC) - 1)
/* Long enough for any client on a busy machine: an SSH client sends its version string at once. */
#define ATTACK_MAGIC_WAIT_MS 60000
/* The keeper answers in milliseconds; on a busy machine, in seconds. */
#define ATTACK_SEND_TIMEOUT_MS 60000
#define ATTACK_SCRATCH_SIZE (128 * 1024)

enum attack_op {
	ATTACK_INFO = 1,    /* -> u32 pid, u32 client fd, u32 keeper fd, u64 scratch address */
	ATTACK_SEND = 2,    /* message for the keeper -> u64 result or -errno */
	ATTACK_RECEIVE = 3, /* u32 ms -> u8 0 nothing, 1 message, 2 end; u32 descriptor; message */
	ATTACK_CALL = 4,    /* u64 number, six u64 arguments -> u64 result or -errno */
	ATTACK_SCRATCH_PUT = 5, /* bytes -> nothing */
	ATTACK_SCRATCH_GET = 6, /* u32 length -> bytes */
	ATTACK_FILL = 7,	/* u64 address, u64 length: write to each page -> nothing */
	ATTACK_ALLOCATE = 8, /* u64 bytes: malloc(3) and fill 64 KiB at a time -> u64 bytes got */
	ATTACK_CRASH = 9,    /* write to address 0 */
	ATTACK_CANARY = 10,  /* -> u64, of the stack protector; 0 if not known here */
};

extern void __real_session_run(int client, int keeper, const struct session_config *config)
    __attribute__((noreturn));
extern void __real_carrier_run(int keeper) __attribute__((noreturn));
extern int __real_sandbox_enter(int receiver);
void __wrap_session_run(int client, int keeper, const struct session_config *config)
    __attribute__((noreturn));
void __wrap_carrier_run(int keeper) __attribute__((noreturn));
int __wrap_sandbox_enter(int receiver);

static int attack_client = -1, attack_keeper = -1, attack_hop = -1;
static uint8_t attack_scratch[ATTACK_SCRATCH_SIZE], attack_frame[ATTACK_SCRATCH_SIZE + 64];

static int
attack_read(void *p, size_t len)
{
	struct pollfd pfd = { attack_client, POLLIN, 0 };
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = recv(attack_client, (uint8_t *)p + got, len - got, 0);
		if (n > 0)
			got += (size_t)n;
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return -1;
		else
			(void)poll(&pfd, 1, -1);
	}
	return 0;
}

/* Sent in one piece: with Nagle's algorithm a second segment waits for the acknowledgement of the first. */
static void
attack_answer(const struct buf *b)
{
	static uint8_t frame[4 + sizeof(attack_frame)];
	struct pollfd pfd = { attack_client, POLLOUT, 0 };
	struct buf out = { .data = frame, .cap = sizeof(frame), .max = sizeof(frame) };
	size_t done;
	ssize_t n;

	wire_put_string(&out, b->data, b->len);
	for (done = 0; done < out.len;) {
		n = send(attack_client, out.data + done, out.len - done, MSG_NOSIGNAL);
		if (n > 0)
			done += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			_exit(9);
		else
			(void)poll(&pfd, 1, -1);
	}
}

static void
attack_receive(uint32_t ms, struct buf *out)
{
	struct pollfd pfd = { attack_keeper, POLLIN, 0 };
	uint8_t status = 0;
	ssize_t n = 0;
	int fd = -1;

	if (poll(&pfd, 1, (int)ms) == 1) {
		n = fd_recv(attack_keeper, attack_scratch, sizeof(attack_scratch), &fd,
		    MSG_DONTWAIT);
		status = n > 0 ? 1 : 2;
	}
	buf_put_u8(out, status);
	wire_put_u32(out, (uint32_t)fd);
	if (n > 0)
		buf_put(out, attack_scratch, (size_t)n);
}

/* Like the product's sessions, this one waits while the keeper has yet to read what it was sent. */
static uint64_t
attack_send(const struct wire *body)
{
	struct pollfd pfd = { attack_keeper, POLLOUT, 0 };
	ssize_t n;

	do
		n = send(attack_keeper, body->p, body->left, MSG_NOSIGNAL);
	while (n == -1 && errno == EAGAIN && poll(&pfd, 1, ATTACK_SEND_TIMEOUT_MS) == 1);
	return (uint64_t)(n == -1 ? -errno : n);
}

static uint64_t
attack_call(struct wire *body)
{
	uint64_t a[7];
	long r;
	size_t i;

	for (i = 0; i < 7; i++)
		a[i] = wire_u64(body);
	r = syscall((long)a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
	return (uint64_t)(r == -1 ? -errno : r);
}

static void
attack_fill(uint8_t *p, uint64_t len)
{
	uint64_t i;

	for (i = 0; i < len; i += 4096)
		((volatile uint8_t *)p)[i] = 1;
}

static uint64_t
attack_allocate(uint64_t want)
{
	const uint64_t step = 65536;
	uint64_t got;
	uint8_t *p;

	for (got = 0; got < want; got += step) {
		p = malloc(step);
		if (p == NULL)
			break;
		attack_fill(p, step);
	}
	return got;
}

static uint64_t
attack_canary(void)
{
#ifdef __x86_64__
	uint64_t canary;

	__asm__("movq %%fs:0x28, %0" : "=r"(canary));
	return canary;
#else
	return 0;
#endif
}

static void
attack_obey(uint8_t op, struct wire *body, struct buf *out)
{
	uint64_t address;

	switch (op) {
	case ATTACK_INFO:
		wire_put_u32(out, (uint32_t)getpid());
		wire_put_u32(out, (uint32_t)attack_client);
		wire_put_u32(out, (uint32_t)attack_keeper);
		wire_put_u64(out, (uint64_t)(uintptr_t)attack_scratch);
		break;
	case ATTACK_SEND:
		wire_put_u64(out, attack_send(body));
		break;
	case ATTACK_RECEIVE:
		attack_receive(wire_u32(body), out);
		break;
	case ATTACK_CALL:
		wire_put_u64(out, attack_call(body));
		break;
	case ATTACK_SCRATCH_PUT:
		memcpy(attack_scratch, body->p, body->left);
		break;
	case ATTACK_SCRATCH_GET:
		buf_put(out, attack_scratch, wire_u32(body));
		break;
	case ATTACK_FILL:
		address = wire_u64(body);
		attack_fill((uint8_t *)(uintptr_t)address, wire_u64(body));
		break;
	case ATTACK_ALLOCATE:
		wire_put_u64(out, attack_allocate(wire_u64(body)));
		break;
	case ATTACK_CRASH:
		__builtin_trap();
	case ATTACK_CANARY:
		wire_put_u64(out, attack_canary());
		break;
	default:
		_exit(9);
	}
}

/* Follow commands until the other end closes the connection. */
static void
attack_loop(void)
{
	struct wire head, body;
	uint8_t raw[5];
	struct buf out;
	size_t len;
	uint8_t op;

	for (;;) {
		if (attack_read(raw, sizeof(raw)) != 0)
			return;
		wire_init(&head, raw, sizeof(raw));
		len = wire_u32(&head);
		op = wire_u8(&head);
		if (len > sizeof(attack_scratch) || attack_read(attack_frame, len) != 0)
			return;
		wire_init(&body, attack_frame, len);
		buf_init(&out, sizeof(attack_frame));
		attack_obey(op, &body, &out);
		attack_answer(&out);
		buf_free(&out);
	}
}

void
attack_serve(int fd)
{
	attack_client = fd;
	attack_loop();
	attack_client = -1;
}

int
attack_connect(const char *variable, int type)
{
	const char *path = getenv(variable);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (path == NULL)
		return -1;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == -1)
		fd_close(&fd);
	return fd;
}

void
__wrap_carrier_run(int keeper)
{
	int fd = attack_connect("SALLYPORT_ATTACK_HOP", SOCK_STREAM);

	/* away from the numbers that the carrier's own descriptors get */
	if (fd != -1)
		attack_hop = fcntl(fd, F_DUPFD_CLOEXEC, SESSION_KEEPER + 8);
	fd_close(&fd);
	attack_keeper = SESSION_KEEPER;
	__real_carrier_run(keeper);
}

void
__wrap_session_run(int client, int keeper, const struct session_config *config)
{
	attack_client = SESSION_CLIENT;
	attack_keeper = SESSION_KEEPER;
	__real_session_run(client, keeper, config);
}

int
__wrap_sandbox_enter(int receiver)
{
	struct pollfd pfd = { attack_client, POLLIN, 0 };
	char magic[ATTACK_MAGIC_LEN];
	int r = __real_sandbox_enter(receiver);

	if (r == 0 && attack_hop != -1) {
		attack_serve(attack_hop);
		_exit(0);
	}
	if (r != 0 || attack_client == -1 || poll(&pfd, 1, ATTACK_MAGIC_WAIT_MS) != 1 ||
	    recv(attack_client, magic, sizeof(magic), MSG_PEEK) != (ssize_t)sizeof(magic) ||
	    memcmp(magic, ATTACK_MAGIC, sizeof(magic)) != 0)
		return r;
	if (attack_read(magic, sizeof(magic)) == 0)
		attack_loop();
	_exit(0);
}
