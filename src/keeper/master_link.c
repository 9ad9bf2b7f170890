/*
 * The queue of messages to the master, and errands that the master is asked to start.  All of
 * the keeper sends by way of this.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "keeper/master_link.h"

struct queued {
	STAILQ_ENTRY(queued) entry;
	struct buf body;
	int fd;
};

void
master_link_init(struct keeper *k)
{
	STAILQ_INIT(&k->master_queue);
}

/* Have epoll say when the master takes messages again, or stop that. */
static int
master_link_watch(struct keeper *k, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = &k->from_master };

	return epoll_ctl(k->epoll, EPOLL_CTL_MOD, k->master, &event) == -1 ? ERR_SYS : 0;
}

static void
master_link_free(struct queued *l)
{
	buf_wipe(&l->body);
	fd_close(&l->fd);
	free(l);
}

/* Keep a message until the master takes it.  If that succeeds, b and fd are taken over. */
static int
master_link_queue(struct keeper *k, struct buf *b, int fd)
{
	struct queued *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ERR_NOMEM;
	if (STAILQ_EMPTY(&k->master_queue) && master_link_watch(k, EPOLLIN | EPOLLOUT) != 0) {
		free(l);
		return ERR_SYS;
	}
	l->body = *b;
	l->fd = fd;
	buf_init(b, 0);
	STAILQ_INSERT_TAIL(&k->master_queue, l, entry);
	return 0;
}

int
master_link_send(struct keeper *k, struct buf *b, int pass_fd)
{
	int r = buf_err(b);

	if (r == 0 && k->master == -1)
		r = ERR_EOF;
	if (r == 0)
		r = STAILQ_EMPTY(&k->master_queue) ? fd_send(k->master, b->data, b->len, pass_fd) :
						     ERR_AGAIN;
	if (r == ERR_AGAIN) {
		r = master_link_queue(k, b, pass_fd);
		if (r == 0)
			return 0;
	}
	buf_wipe(b);
	fd_close(&pass_fd);
	return r;
}

int
master_link_errand(struct keeper *k, struct source *source, enum ipc_errand kind, struct buf *order,
    int *sock)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };
	struct buf b;
	int pair[2], r;

	if (k->master == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1) {
		buf_wipe(order);
		return k->master == -1 ? ERR_EOF : ERR_SYS;
	}
	r = ipc_send(pair[0], order, -1);
	if (r == 0 && epoll_ctl(k->epoll, EPOLL_CTL_ADD, pair[0], &event) == -1)
		r = ERR_SYS;
	if (r == 0) {
		ipc_begin(&b, IPC_ERRAND);
		buf_put_u8(&b, (uint8_t)kind);
		r = master_link_send(k, &b, pair[1]);
	} else {
		fd_close(&pair[1]);
	}
	if (r != 0)
		fd_close(&pair[0]);
	else
		*sock = pair[0];
	return r;
}

void
master_link_flush(struct keeper *k)
{
	struct queued *l;
	int r;

	if (STAILQ_EMPTY(&k->master_queue))
		return;
	while ((l = STAILQ_FIRST(&k->master_queue)) != NULL) {
		r = fd_send(k->master, l->body.data, l->body.len, l->fd);
		if (r == ERR_AGAIN)
			return;
		if (r == ERR_EOF) {
			master_link_drop(
			    k); /* keeper_master_input() finds out as well, and logs it */
			return;
		}
		if (r != 0)
			log_error("cannot send %s to the master: %s", ipc_name(l->body.data[0]),
			    err_str(r));
		STAILQ_REMOVE_HEAD(&k->master_queue, entry);
		master_link_free(l);
	}
	if (master_link_watch(k, EPOLLIN) != 0)
		log_error("epoll: %s", err_str(ERR_SYS));
}

void
master_link_drop(struct keeper *k)
{
	struct queued *l;

	while ((l = STAILQ_FIRST(&k->master_queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&k->master_queue, entry);
		master_link_free(l);
	}
}
