/*
 * Sending and receiving messages between processes, each checked against the list in ipc.def
 * before its body is read.
 */
#include <sys/socket.h>

#include "base/fd.h"
#include "ipc/ipc.h"

struct ipc_entry {
	const char *name;
	enum ipc_way way;
	unsigned int phases;
	int with_fd;
};

static const struct ipc_entry ipc_table[] = {
#define IPC_MESSAGE(type, way, phases, descriptor) \
	[IPC_##type] = { #type, way, phases, descriptor },
#include "ipc/ipc.def"
#undef IPC_MESSAGE
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
