/*
 * The errand that has an ssh-agent sign a certificate (Key = ca-agent:PATH): it connects to the agent's socket,
 * confines itself, and asks for one signature.  A role of cli/role.c.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/proctitle.h"
#include "errand/agent_talk.h"
#include "errand/confine.h"
#include "errand/errand.h"
#include "ipc/messages.h"

/* How long the order may take to arrive; the keeper sends it before it asks for the errand. */
#define CA_ORDER_WAIT_MS 5000

/* Connect to the agent: a descriptor, or -1 with why. */
static int
errand_ca_connect(const struct ipc_ca_sign *order, struct reason *why)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(order->path) >= sizeof(to.sun_path)) {
		reason_set(why, "the path of the agent's socket is too long");
		return -1;
	}
	memcpy(to.sun_path, order->path, strlen(order->path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	/* of a Unix socket: its queue of connections is full */
	if (errno == EAGAIN)
		reason_set(why, "the agent accepts no connections: is it hung?");
	else
		reason_set(why, "the agent cannot be connected to: %s%s", strerror(errno),
		    errno == EACCES ? " (as the user of RunNetworkAs)" : "");
	fd_close(&fd);
	return -1;
}

void
errand_ca(int sock)
{
	static uint8_t message[IPC_MAX];
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	struct reason why = { "" };
	struct ipc_ca_sign order;
	struct ipc_msg msg;
	struct buf b, sig;
	int agent, r = -1;

	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	proctitle_set("errand ca");
	if (poll(&pfd, 1, CA_ORDER_WAIT_MS) != 1 ||
	    ipc_recv(sock, message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg) != 0 ||
	    msg.type != IPC_CA_SIGN || ipc_ca_sign_get(&msg.body, &order) != 0)
		_exit(1);
	agent = errand_ca_connect(&order, &why);
	/* what the agent says is read by a process that can do nothing but answer */
	if (errand_confine_password() != 0)
		_exit(1);
	buf_init(&sig, AGENT_TALK_SIGNATURE_MAX);
	if (agent != -1) {
		const struct agent_talk talk = { .agent = agent,
			.watched = sock,
			.deadline = clock_ms() + order.timeout_ms };

		r = agent_talk_sign(&talk, order.ca, order.data, order.alg, &sig, &why);
		if (r == ERR_EOF)
			_exit(1); /* no login waits for the answer */
	}
	ipc_begin(&b, IPC_CA_SIGNED);
	wire_put_string(&b, sig.data, r == 0 ? sig.len : 0);
	wire_put_text(&b, why.text);
	_exit(ipc_send(sock, &b, -1) == 0 ? 0 : 1);
}
