/*
 * Descriptors: flags, whole files, and messages with a descriptor attached.
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* 0 or ERR_SYS. */
int fd_set_nonblock(int fd) MUST_CHECK;

/* Close *fd unless it is -1, and set it to -1.  errno is kept. */
void fd_close(int *fd);

/*
 * Lead those of 0 to 2 that are closed to /dev/null, so that nothing else gets their numbers,
 * and with them what is meant for standard error.  0 or ERR_SYS.
 */
int fd_fill_standard(void) MUST_CHECK;

/* Close every descriptor from low on, but for those in keep[0..n-1]. */
void fd_close_others(int low, const int *keep, size_t n);

/*
 * Send one message on a SOCK_SEQPACKET socket without waiting, with the
 * descriptor pass unless it is -1 (the caller keeps its own copy).
 * 0, ERR_AGAIN when the peer reads too slowly, ERR_EOF when it is gone, or ERR_SYS.
 */
int fd_send(int sock, const void *p, size_t len, int pass) MUST_CHECK;

/*
 * Receive one message of at most size bytes.  *passed is the descriptor that
 * came with it (close-on-exec; the caller owns it) or -1.  flags is as for recvmsg(2).
 * Returns its length, 0 at end of file (there are no empty messages), ERR_AGAIN,
 * ERR_TOOBIG when it did not fit or came with several descriptors (all closed), ERR_NOFILE
 * when this process has no room for the descriptor, which is lost, or ERR_SYS.
 */
ssize_t fd_recv(int sock, void *p, size_t size, int *passed, int flags) MUST_CHECK;

/* Append the whole of a file of at most b->max bytes.  0 or an ERR_*. */
int fd_read_all(int fd, struct buf *b) MUST_CHECK;

/* Write all of it, waiting as needed.  0 or ERR_SYS. */
int fd_write_all(int fd, const void *p, size_t len) MUST_CHECK;

#endif
