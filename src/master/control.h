/*
 * The control socket, as the master serves it (ipc/control_socket.h): who may ask, and which
 * order is whose.
 */
#ifndef MASTER_CONTROL_H
#define MASTER_CONTROL_H

#include <poll.h>

#include "base/err.h"

#define CONTROL_CLIENTS_MAX 8
#define CONTROL_FDS (CONTROL_CLIENTS_MAX + 1)

struct control;
struct master;

/* Make the socket.  0; or ERR_SYS, ERR_EXISTS or ERR_PERM, with what went wrong logged. */
int control_open(const char *path, struct control **out) MUST_CHECK;
/* Also takes the socket away, if we may. */
void control_close(struct control **c);

/* Fill in CONTROL_FDS descriptors to poll, and then take what came: requests go to the
 * orders' functions with m.  c may be NULL. */
void control_poll(const struct control *c, struct pollfd *fds);
void control_input(struct control *c, const struct pollfd *fds, struct master *m);

/* Answer a client, which is then done with.  One that has gone is passed over. */
void control_answer(struct control *c, int client, int status, const char *text);

#endif
