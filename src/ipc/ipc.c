#include <sys/socket.h>

#include "base/fd.h"
#include "ipc/ipc.h"

struct ipc_entry {
	const char *name;
	enum ipc_way way;
	unsigned int phases;
	int with_fd;
};

#define AUTHING (IPC_PHASE_AUTH | IPC_PHASE_DIAL | IPC_PHASE_UPSTREAM_KEX | IPC_PHASE_UPSTREAM_AUTH)

static const struct ipc_entry ipc_table[] = {
	[IPC_READY] = { "READY", IPC_KEEPER_TO_MASTER, IPC_PHASE_ANY, 0 },
	[IPC_ERRAND] = { "ERRAND", IPC_KEEPER_TO_MASTER, IPC_PHASE_ANY, 1 },
	[IPC_LOGGED_IN] = { "LOGGED_IN", IPC_KEEPER_TO_MASTER, IPC_PHASE_ANY, 0 },
	[IPC_LOGIN_ENDED] = { "LOGIN_ENDED", IPC_KEEPER_TO_MASTER, IPC_PHASE_ANY, 0 },
	[IPC_RELOADED] = { "RELOADED", IPC_KEEPER_TO_MASTER, IPC_PHASE_ANY, 0 },
	[IPC_RELOAD] = { "RELOAD", IPC_MASTER_TO_KEEPER, IPC_PHASE_ANY, 0 },
	[IPC_COMMIT] = { "COMMIT", IPC_MASTER_TO_KEEPER, IPC_PHASE_ANY, 0 },
	[IPC_CONNECTION] = { "CONNECTION", IPC_MASTER_TO_KEEPER, IPC_PHASE_ANY, 1 },
	[IPC_DIALLED] = { "DIALLED", IPC_ERRAND_TO_KEEPER, IPC_PHASE_DIAL, 1 },
	[IPC_DIAL_FAILED] = { "DIAL_FAILED", IPC_ERRAND_TO_KEEPER,
	    IPC_PHASE_DIAL | IPC_PHASE_UPSTREAM_KEX, 0 },
	[IPC_LOOK] = { "LOOK", IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, 0 },
	[IPC_LOOKED] = { "LOOKED", IPC_ERRAND_TO_KEEPER, IPC_PHASE_UPSTREAM_KEX, 0 },
	[IPC_CHECKED] = { "CHECKED", IPC_ERRAND_TO_KEEPER, IPC_PHASE_AUTH, 0 },
	[IPC_DIAL] = { "DIAL", IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, 0 },
	[IPC_RUN] = { "RUN", IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, 0 },
	[IPC_PASSWORD] = { "PASSWORD", IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, 0 },
	[IPC_HELLO] = { "HELLO", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 0 },
	[IPC_SIGNATURE] = { "SIGNATURE", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 0 },
	[IPC_DOWNSTREAM] = { "DOWNSTREAM", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 0 },
	[IPC_PACE] = { "PACE", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 0 },
	[IPC_UPSTREAM_FD] = { "UPSTREAM_FD", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 1 },
	[IPC_HOST_KEY_OK] = { "HOST_KEY_OK", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 0 },
	[IPC_UPSTREAM] = { "UPSTREAM", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 0 },
	[IPC_POLICY] = { "POLICY", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 0 },
	[IPC_RELAY] = { "RELAY", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 0 },
	[IPC_REFUSE] = { "REFUSE", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 0 },
	[IPC_AGENT] = { "AGENT", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 0 },
	[IPC_AGENT_REQUEST] = { "AGENT_REQUEST", IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, 0 },
	/* once before the login, which changes the phase; then for new keys of who is let in */
	[IPC_SIGN] = { "SIGN", IPC_SESSION_TO_KEEPER,
	    IPC_PHASE_KEX | IPC_PHASE_AGENT | IPC_PHASE_RELAY, 0 },
	/* a client may send more than it should while its proof is looked at, or on the way to
	 * where it is let in */
	[IPC_AUTH] = { "AUTH", IPC_SESSION_TO_KEEPER,
	    AUTHING | IPC_PHASE_AGENT | IPC_PHASE_RELAY | IPC_PHASE_END, 0 },
	/* the upstream goes on while a REFUSE is on its way */
	[IPC_HOST_KEY] = { "HOST_KEY", IPC_SESSION_TO_KEEPER,
	    IPC_PHASE_UPSTREAM_KEX | IPC_PHASE_END, 0 },
	[IPC_UPSTREAM_READY] = { "UPSTREAM_READY", IPC_SESSION_TO_KEEPER,
	    IPC_PHASE_UPSTREAM_AUTH | IPC_PHASE_END, 0 },
	[IPC_UPSTREAM_AUTH] = { "UPSTREAM_AUTH", IPC_SESSION_TO_KEEPER,
	    IPC_PHASE_UPSTREAM_AUTH | IPC_PHASE_AGENT | IPC_PHASE_END, 0 },
	/* it may end just when it has said yes */
	[IPC_UPSTREAM_FAILED] = { "UPSTREAM_FAILED", IPC_SESSION_TO_KEEPER,
	    IPC_PHASE_UPSTREAM_KEX | IPC_PHASE_UPSTREAM_AUTH | IPC_PHASE_AGENT | IPC_PHASE_RELAY |
		IPC_PHASE_END,
	    0 },
	[IPC_AGENT_OPEN] = { "AGENT_OPEN", IPC_SESSION_TO_KEEPER, IPC_PHASE_AGENT | IPC_PHASE_END,
	    0 },
	[IPC_AGENT_ANSWER] = { "AGENT_ANSWER", IPC_SESSION_TO_KEEPER,
	    IPC_PHASE_AGENT | IPC_PHASE_END, 0 },
	/* time may run out just when the upstream has said yes */
	[IPC_AGENT_FAILED] = { "AGENT_FAILED", IPC_SESSION_TO_KEEPER,
	    IPC_PHASE_AGENT | IPC_PHASE_RELAY | IPC_PHASE_END, 0 },
	[IPC_LOG] = { "LOG", IPC_SESSION_TO_KEEPER, IPC_PHASE_ANY, 0 },
	[IPC_END] = { "END", IPC_SESSION_TO_KEEPER, IPC_PHASE_ANY, 0 },
	[IPC_RAN] = { "RAN", IPC_ERRAND_TO_KEEPER, IPC_PHASE_AUTH, 0 },
};

#define IPC_TYPES (sizeof(ipc_table) / sizeof(ipc_table[0]))

const char *
ipc_name(enum ipc_type type)
{
	if ((size_t)type >= IPC_TYPES || ipc_table[type].name == NULL)
		return "unknown";
	return ipc_table[type].name;
}

static int
ipc_check(const struct ipc_msg *msg, enum ipc_way way, unsigned int phase)
{
	const struct ipc_entry *entry;

	if ((size_t)msg->type >= IPC_TYPES || ipc_table[msg->type].name == NULL)
		return ERR_FORMAT;
	entry = &ipc_table[msg->type];
	if (entry->way != way || (entry->phases & phase) == 0)
		return ERR_BADSTATE;
	if (entry->with_fd != (msg->fd != -1))
		return ERR_FORMAT;
	return 0;
}

int
ipc_recv(int sock, uint8_t *buffer, enum ipc_way way, unsigned int phase, struct ipc_msg *msg)
{
	ssize_t n;
	int r;

	n = fd_recv(sock, buffer, IPC_MAX, &msg->fd, MSG_DONTWAIT);
	if (n < 0)
		return (int)n;
	if (n == 0)
		return ERR_EOF;
	wire_init(&msg->body, buffer, (size_t)n);
	msg->type = wire_u8(&msg->body);
	r = ipc_check(msg, way, phase);
	if (r != 0)
		fd_close(&msg->fd);
	return r;
}

void
ipc_begin(struct buf *b, enum ipc_type type)
{
	buf_init(b, IPC_MAX);
	buf_put_u8(b, (uint8_t)type);
}

int
ipc_send(int sock, struct buf *b, int pass_fd)
{
	int r = buf_err(b);

	if (r == 0)
		r = fd_send(sock, b->data, b->len, pass_fd);
	buf_wipe(b);
	return r;
}
