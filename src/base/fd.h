/*
 * Descriptors: flags, whole files, and messages with a descriptor attached.
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <signal.h>
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
 * Open /dev/null as each of descriptors 0 to 2 that is closed.  Otherwise a file or socket opened
 * later would get that number, and log lines would be written to it.  0 or ERR_SYS.
 */
int fd_fill_standard(void) MUST_CHECK;

/* Close all descriptors that are low or higher, except the n in keep (at most 16). */
void fd_close_others(int low, const int *keep, size_t n);

/*
 * Send one message on a SOCK_SEQPACKET socket without waiting, and with it a copy of the descriptor
 * pass, unless that is -1.
 * 0; ERR_AGAIN: the socket's buffer is full; ERR_EOF: the peer is gone; ERR_SYS.
 */
int fd_send(int sock, const void *p, size_t len, int pass) MUST_CHECK;

/*
 * Receive one message of at most size bytes.  *passed is the descriptor that came with it
 * (close-on-exec; the caller owns it) or -1.  flags is as for recvmsg(2).
 * Returns the message's length, 0 at end of file (there are no empty messages), ERR_AGAIN,
 * ERR_TOOBIG when it did not fit or came with several descriptors (all closed), ERR_NOFILE when
 * this process already has its maximum of descriptors open (the passed one is lost), or ERR_SYS.
 */
ssize_t fd_recv(int sock, void *p, size_t size, int *passed, int flags) MUST_CHECK;

/* Append all that can be read from fd to b.  0; ERR_TOOBIG if that is more than b->max; ERR_NOMEM;
 * ERR_SYS. */
int fd_read_all(int fd, struct buf *b) MUST_CHECK;

/* Write all len bytes to a blocking descriptor.  0 or ERR_SYS. */
int fd_write_all(int fd, const void *p, size_t len) MUST_CHECK;

/* For a process with children: ignore SIGPIPE, block SIGCHLD, SIGTERM, SIGINT and SIGHUP, and open a
 * signalfd(2) for these.  A child restores the mask *before.  0; or ERR_SYS, and *fd is -1. */
int fd_signals(int *fd, sigset_t *before) MUST_CHECK;

/* Raise the limit of descriptors as far as it goes.  0 or ERR_SYS. */
int fd_raise_limit(void) MUST_CHECK;

#endif
