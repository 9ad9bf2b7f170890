/*
 * The errand that checks a password against its hash: Argon2 takes time and memory, and the keeper never
 * waits.  A role of cli/role.c.
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/proctitle.h"
#include "errand/confine.h"
#include "errand/errand.h"
#include "ipc/ipc.h"

/* How long the order may take to arrive; the keeper sends it before it asks for the errand. */
#define CHECK_WAIT_MS 5000
/* More than a hash of the highest cost takes that route_check_password_hash() lets pass. */
#define CHECK_SECONDS 60

static int
errand_password_matches(const char *hash, struct bytes password)
{
	/* out of memory counts as a wrong password */
	return crypto_pwhash_str_verify(hash, (const char *)password.p, password.len) == 0;
}

void
errand_password(int sock)
{
	static uint8_t message[IPC_MAX];
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	char hash[crypto_pwhash_STRBYTES];
	struct bytes password;
	struct ipc_msg msg;
	struct buf b;
	int ok;

	signal(SIGTERM, SIG_DFL);
	alarm(CHECK_SECONDS);
	proctitle_set("errand password");
	if (sodium_init() == -1 || errand_confine_password() != 0 ||
	    poll(&pfd, 1, CHECK_WAIT_MS) != 1 ||
	    ipc_recv(sock, message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg) != 0 ||
	    msg.type != IPC_PASSWORD)
		_exit(1);
	wire_text(&msg.body, hash, sizeof(hash));
	password = wire_string(&msg.body);
	ok = wire_end(&msg.body) == 0 && errand_password_matches(hash, password);
	explicit_bzero(message, sizeof(message));
	explicit_bzero(hash, sizeof(hash));
	/* Argon2's memory is free again by now: at the answer the keeper may start the next check */
	proctitle_set("errand done");
	ipc_begin(&b, IPC_PASSWORD_OK);
	wire_put_bool(&b, ok);
	_exit(ipc_send(sock, &b, -1) == 0 ? 0 : 1);
}
