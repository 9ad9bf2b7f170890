#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/privs.h"
#include "cli/keyscan.h"
#include "session/session.h"
#include "transport/leg.h"
#include "wire/ssh.h"

/* From the process that talks to the machine; each once, in this order, END at any time.  Its one
 * answer is a byte, to SHOWN: 1 if the key was accepted. */
enum {
	KEYSCAN_VERSION = 1, /* string version */
	KEYSCAN_SHOWN,	     /* string alg, hash, blob, signature */
	KEYSCAN_END,	     /* string why, "": the keys have been exchanged; bool: it takes
			    * publickey-hostbound-v00@openssh.com */
};

#define KEYSCAN_MESSAGE_MAX 32768
#define KEYSCAN_KEY_MAX 8192 /* a session takes no larger ones */

/* --- the process that talks to the machine --- */

struct talker {
	struct leg *leg;
	int sock;
	int version_told;
};

static int
tell(struct talker *k, struct buf *b)
{
	int r = buf_err(b);

	if (r == 0)
		r = fd_send(k->sock, b->data, b->len, -1);
	buf_free(b);
	return r;
}

static int
tell_version(struct talker *k)
{
	const char *version = leg_server_version(k->leg);
	struct buf b;

	if (version == NULL || k->version_told)
		return 0;
	k->version_told = 1;
	buf_init(&b, KEYSCAN_MESSAGE_MAX);
	buf_put_u8(&b, KEYSCAN_VERSION);
	wire_put_string(&b, version, strnlen(version, 255));
	return tell(k, &b);
}

static int
tell_end(struct talker *k, const char *why)
{
	struct buf b;

	buf_init(&b, KEYSCAN_MESSAGE_MAX);
	buf_put_u8(&b, KEYSCAN_END);
	wire_put_string(&b, why != NULL ? why : "", why != NULL ? strnlen(why, 512) : 0);
	wire_put_bool(&b, why == NULL && leg_host_bound(k->leg));
	return tell(k, &b);
}

static int
ask_host_key(void *ctx, const char *alg, struct bytes hash, struct bytes blob, struct bytes sig)
{
	struct talker *k = ctx;
	uint8_t answer;
	struct buf b;
	int passed, r;

	if (blob.len > KEYSCAN_KEY_MAX || sig.len > KEYSCAN_KEY_MAX)
		return ERR_TOOBIG;
	r = tell_version(k);
	if (r != 0)
		return r;
	buf_init(&b, KEYSCAN_MESSAGE_MAX);
	buf_put_u8(&b, KEYSCAN_SHOWN);
	wire_put_text(&b, alg);
	wire_put_bytes(&b, hash);
	wire_put_bytes(&b, blob);
	wire_put_bytes(&b, sig);
	r = tell(k, &b);
	if (r != 0)
		return r;
	/* it waits for the answer */
	if (fd_recv(k->sock, &answer, 1, &passed, 0) != 1)
		return ERR_EOF;
	return answer == 1 ? 0 : ERR_AUTH;
}

static int
never_sign(void *ctx, const char *alg, struct bytes hash, struct buf *sig)
{
	return ERR_BADSTATE;
}

static void
no_packet(void *ctx, struct leg *leg, uint8_t *payload, size_t len)
{
}

static const struct leg_ops talker_ops = { never_sign, ask_host_key, no_packet };

/* NULL once the keys have been exchanged and it is known what the machine takes, or why not. */
static const char *
exchange(struct talker *k)
{
	struct pollfd pfd = { .fd = leg_fd(k->leg) };
	const char *text;
	int r, asked = 0;

	for (;;) {
		if (leg_ready(k->leg) && !asked) {
			asked = 1;
			if (leg_request_auth(k->leg) != 0)
				return leg_error(k->leg);
		}
		if (leg_flush(k->leg) != 0)
			return leg_error(k->leg);
		if (asked && leg_ext_info_known(k->leg))
			return NULL;
		pfd.events = leg_writable(k->leg) > 0 ? POLLIN | POLLOUT : POLLIN;
		if (poll(&pfd, 1, -1) == -1 && errno != EINTR)
			return strerror(errno);
		r = leg_input(k->leg);
		if (tell_version(k) != 0)
			return "nobody listens";
		if (r != 0 && r != ERR_AGAIN)
			return leg_peer_disconnect(k->leg, &text) != 0 ? text : leg_error(k->leg);
	}
}

static const char *
talk(struct talker *k, int fd, const struct leg_config *config)
{
	const char *why;

	if (leg_global_init() != 0 || leg_warm_up() != 0)
		return "the libraries do not work";
	/* what is loaded once is there: from here on it can't open anything */
	if (sandbox_enter(k->sock) != 0)
		return "cannot enter the sandbox";
	k->leg = leg_new_client(fd, config, &talker_ops, k, &why);
	if (k->leg == NULL)
		return why;
	why = exchange(k);
	if (why == NULL) {
		leg_disconnect(k->leg, SSH_DISCONNECT_BY_APPLICATION,
		    "sallyport: a trial connection");
		(void)!leg_flush(k->leg);
	}
	return why;
}

/* Nothing that is to be heard comes from here but by its messages. */
static int
be_silent(void)
{
	int fd, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (null == -1 || dup2(null, fd) == -1)
			return ERR_SYS;
	close(null);
	return 0;
}

static void __attribute__((noreturn))
talker_run(const struct keyscan *t, int fd, int sock, const struct leg_config *config)
{
	const struct users *users = &t->become->users;
	const char *user = users->network != NULL ? users->network : users->keeper;
	/* out of the way of 0 to 2, which may have been closed */
	const int keep[] = { fcntl(fd, F_DUPFD_CLOEXEC, 3), fcntl(sock, F_DUPFD_CLOEXEC, 3) };
	struct talker k = { .sock = keep[1] };
	const char *why;

	if (keep[0] == -1 || keep[1] == -1 || be_silent() != 0)
		_exit(1);
	fd_close_others(3, keep, 2);
	as_user_self();
	/* should nobody be there to end it: a change of user clears the first */
	alarm((unsigned int)(t->route->connect_timeout_ms / 1000) + 2);
	if (privs_drop(user) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		why = "cannot give up root";
	else
		why = talk(&k, keep[0], config);
	_exit(tell_end(&k, why) == 0 ? 0 : 1);
}

/* --- who asks --- */

/* The key the machine has shown: judge it, and say whether it goes on. */
static int
take_shown(struct keyscan *t, struct wire *body, int sock)
{
	struct host_key_shown shown = { .route = t->route, .host = t->host };
	uint8_t answer;
	char alg[64];

	wire_text(body, alg, sizeof(alg));
	shown.alg = alg;
	shown.hash = wire_string(body);
	shown.blob = wire_string(body);
	shown.sig = wire_string(body);
	if (t->shown || wire_end(body) != 0)
		return ERR_FORMAT;
	t->shown = 1;
	buf_put(&t->blob, shown.blob.p, shown.blob.len);
	host_key_judge(&shown, &t->judgement);
	answer = t->judgement.verdict != HOST_KEY_REFUSED;
	return buf_err(&t->blob) != 0 ? ERR_NOMEM : fd_send(sock, &answer, 1, -1);
}

/* One message: 0, 1 if it was the last, or an ERR_*: no sense in it. */
static int
take(struct keyscan *t, struct wire *body, int sock)
{
	switch (wire_u8(body)) {
	case KEYSCAN_VERSION:
		wire_text(body, t->version, sizeof(t->version));
		return wire_end(body);
	case KEYSCAN_SHOWN:
		return take_shown(t, body, sock);
	case KEYSCAN_END:
		wire_text(body, t->reason, sizeof(t->reason));
		t->takes_bound = wire_bool(body);
		if (wire_end(body) != 0)
			return ERR_FORMAT;
		/* without a key that was accepted all is not well */
		if (t->reason[0] == '\0' && (!t->shown || t->judgement.verdict == HOST_KEY_REFUSED))
			return ERR_FORMAT;
		return 1;
	default:
		return ERR_FORMAT;
	}
}

static void
listen_to(struct keyscan *t, int sock, int64_t deadline)
{
	static uint8_t message[KEYSCAN_MESSAGE_MAX];
	struct pollfd pfd = { sock, POLLIN, 0 };
	struct wire body;
	ssize_t len;
	int passed, n, r = 0;

	while (r == 0) {
		n = poll(&pfd, 1, clock_until(deadline, clock_ms()));
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			snprintf(t->reason, sizeof(t->reason), "timed out");
			return;
		}
		len = fd_recv(sock, message, sizeof(message), &passed, 0);
		fd_close(&passed);
		wire_init(&body, message, len > 0 ? (size_t)len : 0);
		r = len <= 0 ? ERR_EOF : take(t, &body, sock);
	}
	if (r < 0)
		snprintf(t->reason, sizeof(t->reason), "the trial has failed: %s", err_str(r));
}

void
keyscan_run(struct keyscan *t, int fd, int64_t deadline)
{
	struct leg_config config = { .kex_algorithms = t->route->kex_algorithms,
		.ciphers = t->route->ciphers,
		.macs = t->route->macs };
	struct reason why;
	struct buf algorithms;
	int pair[2] = { -1, -1 };
	pid_t pid = -1;

	buf_init(&t->blob, KEYSCAN_KEY_MAX);
	buf_init(&algorithms, 1000);
	/* the key is refused for it, when it has been shown */
	(void)!host_key_algorithms(t->route, t->host, &algorithms, &why);
	config.host_key_algorithms = buf_cstr(&algorithms);
	fflush(stdout);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0)
		pid = fork();
	if (pid == 0)
		talker_run(t, fd, pair[1], &config);
	fd_close(&pair[1]);
	close(fd);
	if (pid == -1) {
		snprintf(t->reason, sizeof(t->reason), "no trial: %s", strerror(errno));
	} else {
		listen_to(t, pair[0], deadline);
		/* whoever it was until then; it is ours, and it may have another user */
		as_user_self();
		(void)kill(pid, SIGKILL);
		as_user_keeper(t->become);
		while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
			;
	}
	fd_close(&pair[0]);
	buf_free(&algorithms);
}

void
keyscan_free(struct keyscan *t)
{
	if (t->shown)
		host_key_judgement_free(&t->judgement);
	buf_free(&t->blob);
}
