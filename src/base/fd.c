/*
 * Descriptors.  Called by every process; fd_send() and fd_recv() are below ipc.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

int
fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return ERR_SYS;
	return 0;
}

void
fd_close(int *fd)
{
	int saved = errno;

	if (*fd != -1)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int
fd_fill_standard(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) != fd)
			return ERR_SYS;
	return 0;
}

static int
fd_compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* close_range(2), for which musl has no function. */
static void
fd_close_range(unsigned int first, unsigned int last)
{
	(void)syscall(SYS_close_range, first, last, 0);
}

void
fd_close_others(int low, const int *keep, size_t n)
{
	int sorted[16];
	unsigned int first = (unsigned int)low;
	size_t i;

	if (n > sizeof(sorted) / sizeof(sorted[0]))
		abort();
	memcpy(sorted, keep, n * sizeof(*keep));
	qsort(sorted, n, sizeof(*sorted), fd_compare);
	for (i = 0; i < n; i++) {
		if (sorted[i] < (int)first)
			continue;
		if (sorted[i] > (int)first)
			fd_close_range(first, (unsigned int)sorted[i] - 1);
		first = (unsigned int)sorted[i] + 1;
	}
	fd_close_range(first, ~0U);
}

int
fd_send(int sock, const void *p, size_t len, int pass)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	ssize_t n;

	if (pass != -1) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &pass, sizeof(int));
	}
	/* send(2) if there is no descriptor: the sandbox of sessions, which pass none, denies
	 * sendmsg(2) */
	do
		n = pass != -1 ? sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) :
				 send(sock, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n != -1)
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS)
		return ERR_AGAIN;
	if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
		return ERR_EOF;
	return ERR_SYS;
}

/*
 * Take the one descriptor that may come with a message.  The padding of the control buffer has room
 * for a second one on 64-bit machines, and the kernel delivers it: if there are several, all are
 * closed.
 */
static int
fd_take(struct msghdr *msg, int *passed)
{
	struct cmsghdr *cmsg;
	size_t n, i;
	int fd, ret = 0;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (n == 1 && *passed == -1) {
				*passed = fd;
			} else {
				fd_close(&fd);
				ret = ERR_TOOBIG;
			}
		}
	}
	/* the buffer has room for one descriptor: if none came, this process could open no more */
	if (ret == 0 && *passed == -1 && (msg->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == MSG_CTRUNC)
		return ERR_NOFILE;
	if (ret != 0 || (msg->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		fd_close(passed);
		return ERR_TOOBIG;
	}
	return 0;
}

ssize_t
fd_recv(int sock, void *p, size_t size, int *passed, int flags)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = p, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int resets = 0, taken;
	ssize_t n;

	*passed = -1;
	msg.msg_control = control.bytes;
	msg.msg_controllen = sizeof(control.bytes);
	/* A peer that closed with unread input makes the first read fail with ECONNRESET; what it
	 * sent before can be read after that. */
	do
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n == -1 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
	if (n == -1) {
		if (errno == EAGAIN)
			return ERR_AGAIN;
		return errno == ECONNRESET ? 0 : ERR_SYS;
	}
	taken = fd_take(&msg, passed);
	return taken == 0 ? n : taken;
}

int
fd_read_all(int fd, struct buf *b)
{
	uint8_t *to;
	ssize_t n;

	for (;;) {
		size_t want = b->max - b->len < 16384 ? b->max - b->len : 16384;
		uint8_t probe;

		if (want == 0) { /* b is full: this must be the end of the file */
			n = read(fd, &probe, 1);
			if (n == 0)
				return 0;
			if (n == -1 && errno == EINTR)
				continue;
			return n == -1 ? ERR_SYS : ERR_TOOBIG;
		}
		to = buf_reserve(b, want);
		if (to == NULL)
			return buf_err(b);
		n = read(fd, to, want);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return ERR_SYS;
		if (n == 0)
			return 0;
		b->len += (size_t)n;
	}
}

int
fd_write_all(int fd, const void *p, size_t len)
{
	const uint8_t *from = p;
	ssize_t n;

	while (len > 0) {
		n = write(fd, from, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return ERR_SYS;
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

int
fd_signals(int *fd, sigset_t *before)
{
	sigset_t mask;

	*fd = -1;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &mask, before) == -1)
		return ERR_SYS;
	*fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return *fd == -1 ? ERR_SYS : 0;
}

int
fd_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return ERR_SYS;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == -1 ? ERR_SYS : 0;
}
