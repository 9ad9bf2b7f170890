/*
 * The control socket: a SOCK_SEQPACKET socket on which root, or the user the gateway was
 * started by, gives it orders.  A request is one datagram, a word or two; the answer is one
 * datagram, "STATUS\n" and lines of text, STATUS being what the command exits with.
 */
#ifndef MASTER_CONTROL_H
#define MASTER_CONTROL_H

#include <poll.h>
#include <stddef.h>

#include "base/err.h"

#define CONTROL_CLIENTS_MAX 8
#define CONTROL_FDS (CONTROL_CLIENTS_MAX + 1)
#define CONTROL_REQUEST_MAX 256
#define CONTROL_ANSWER_MAX (64 * 1024)

struct control;

/* What to do with a request: answer it, now or later, by the number of its client. */
typedef void control_handler(void *ctx, int client, const char *request);

/* Make the socket.  0; or ERR_SYS, ERR_EXISTS or ERR_PERM, with what went wrong logged. */
int control_open(const char *path, struct control **out) MUST_CHECK;
/* Also takes the socket away, if we may. */
void control_close(struct control **c);

/* Fill in CONTROL_FDS descriptors to poll, and then see to what came.  c may be NULL. */
void control_poll(const struct control *c, struct pollfd *fds);
void control_input(struct control *c, const struct pollfd *fds, control_handler *handler,
    void *ctx);

/* Answer a client, which is then done with.  One that has gone is passed over. */
void control_answer(struct control *c, int client, int status, const char *text);

/* The other end: send a request and wait for the answer.  0 with *status and the text (the
 * caller frees it); ERR_NOTFOUND: nobody is there; ERR_EOF; ERR_FORMAT; ERR_SYS. */
int control_ask(const char *path, const char *request, int *status, char **text) MUST_CHECK;

#endif
