/*
 * The control socket: a SOCK_SEQPACKET socket on which root, or the user the gateway was
 * started by, gives it orders.  A request is one datagram, the name of an order and at most a
 * few words behind it; the answer is one datagram, "STATUS\n" and text, STATUS being what the
 * subcommand exits with.  The master listens (master/control.c), subcommands ask
 * (cli/control_ask.c).
 */
#ifndef IPC_CONTROL_SOCKET_H
#define IPC_CONTROL_SOCKET_H

#include <sys/un.h>

#include "base/buf.h"
#include "base/err.h"

#define CONTROL_REQUEST_MAX 256
#define CONTROL_ANSWER_MAX (64 * 1024)

/* The directory of the socket at path, opened, and made if need be with create; the name in it to
 * *name.  -1 with errno. */
int control_socket_dir(const char *path, int create, const char **name);

/* The address of a socket in an open directory: the path of the socket itself may be longer
 * than the 107 bytes of an address.  0 or ERR_SYS with errno. */
int control_socket_address(int dir, const char *name, struct sockaddr_un *address) MUST_CHECK;

/* Connect to it; flags for socket(2).  A descriptor, or -1 with errno. */
int control_socket_connect(int dir, const char *name, int flags);

/* Send a request and wait for the answer.  0 with *status and the text (the caller frees it);
 * ERR_NOTFOUND: no gateway listens there; ERR_EOF; ERR_FORMAT; ERR_SYS; ERR_NOMEM. */
int control_socket_ask(const char *path, const char *request, int *status, char **text) MUST_CHECK;

/* Append {"ok":false,"count":COUNT,"errors":[...]} with each line of text, as far as b has
 * room, and a newline: the answer in JSON to an order that failed.  The caller checks
 * buf_err(b). */
void control_socket_put_errors(struct buf *b, unsigned int count, const char *text);

/* The answer of a reload that succeeded: {"ok":true,"routes":N}, and "notes":[...] with the lines of
 * notes, if there are any. */
void control_socket_put_done(struct buf *b, unsigned int routes, const char *notes);

#endif
