/*
 * The errand that dials: it reads the answers of name servers, which strangers may control, and those of
 * proxies (ConnectVia).  A role of cli/role.c.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/proctitle.h"
#include "errand/approach.h"
#include "errand/confine.h"
#include "errand/dial.h"
#include "errand/errand.h"
#include "formats/destination.h"
#include "ipc/messages.h"

/* An errand that is later than this is killed.  On a busy host it is late by seconds, and what it has found is what the
 * user is told. */
#define DIAL_LATE_SECONDS 10

#define ERRAND_WHY_MAX 400
/* With a port. */
#define ERRAND_HOST_SIZE 272

static int
answer_dialled(int sock, const char *host, int fd, const struct reason *why, const struct buf *dead)
{
	struct buf b;

	ipc_begin(&b, IPC_DIALLED);
	wire_put_text(&b, host);
	wire_put_string(&b, why->text, strnlen(why->text, ERRAND_WHY_MAX));
	buf_put(&b, dead->data, dead->len);
	return ipc_send(sock, &b, fd);
}

/* The address that the first host had a moment ago.  A descriptor, or -1: it is to be looked up. */
static int
errand_dial_known(const struct ipc_dial *dial, int64_t deadline)
{
	struct reason why = { "" };

	proctitle_set("errand dial %s", dial->known);
	return !destination_is_address(dial->known) ?
	    -1 :
	    approach_connect(&dial->approach, dial->known, (uint16_t)dial->port,
		&dial->destinations, dial_share(deadline, (unsigned int)dial->hosts.n + 1), &why);
}

void
errand_dial(int sock)
{
	static uint8_t message[IPC_MAX];
	struct ipc_msg msg;
	const char *host = NULL;
	struct ipc_dial dial;
	uint32_t n_dead = 0;
	int64_t deadline, share;
	struct buf b, names, dead;
	struct reason why = { "" };
	size_t i;
	int fd = -1;

	if (ipc_recv(sock, message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg) != 0 ||
	    msg.type != IPC_DIAL || ipc_dial_get(&msg.body, &dial) != 0)
		_exit(1);
	deadline = clock_ms() + dial.timeout_ms;
	signal(SIGTERM, SIG_DFL);
	dial_end_with(sock);
	/* the resolver knows no deadline */
	alarm(dial.timeout_ms / 1000 + DIAL_LATE_SECONDS);
	if (errand_confine_dial(approach_has_tls(&dial.approach)) != 0)
		_exit(1);
	buf_init(&names, IPC_HOSTS_MAX * (ERRAND_HOST_SIZE + 4));
	if (dial.known[0] != '\0' && dial.hosts.n > 0) {
		host = dial.hosts.v[0];
		fd = errand_dial_known(&dial, deadline);
	}
	for (i = 0; fd == -1 && i < dial.hosts.n; i++) {
		host = dial.hosts.v[i];
		proctitle_set("errand dial %s", host);
		/* a host that does not answer leaves time for the next one */
		share = dial_share(deadline, (unsigned int)(dial.hosts.n - i));
		fd = dial.port == 0 ?
		    approach_target(&dial.approach, host, &dial.destinations, share, &why) :
		    approach_connect(&dial.approach, host, (uint16_t)dial.port, &dial.destinations,
			share, &why);
		if (fd != -1)
			break;
		wire_put_text(&names, host);
		n_dead++;
	}
	explicit_bzero(message, sizeof(message)); /* the password for the proxy */
	buf_init(&dead, names.max + 4);
	wire_put_u32(&dead, n_dead);
	buf_put(&dead, names.data, names.len);
	signal(SIGIO, SIG_IGN); /* the receiver's reading of the answer raises it as well */
	if (fd != -1)
		_exit(answer_dialled(sock, host, fd, &why, &dead) == 0 ? 0 : 1);
	ipc_begin(&b, IPC_DIAL_FAILED);
	if (why.text[0] == '\0')
		reason_set(&why, "no address");
	wire_put_string(&b, why.text, strnlen(why.text, ERRAND_WHY_MAX));
	buf_put(&b, dead.data, dead.len);
	_exit(ipc_send(sock, &b, -1) == 0 ? 0 : 1);
}
