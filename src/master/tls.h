/*
 * TLS connections that end here ([tls NAME]): a process for each, which waits here until its handshake is done.  What is
 * inside is then a connection like any other, from the same client.
 */
#ifndef MASTER_TLS_H
#define MASTER_TLS_H

#include <sys/queue.h>
#include <sys/types.h>

#include "conf/tls.h"
#include "master/listener.h"
#include "wire/wire.h"

struct master;
struct tls_waiting;
LIST_HEAD(tls_list, tls_waiting);

/* Start the process of a connection whose texts are set, or refuse the connection; and close it here. */
void tls_take(struct master *m, const struct conf_tls *section, struct connection *c);

/* TLS_OPEN: what is inside goes on to detect_take(). */
void tls_opened(struct master *m, struct wire *body);

/* A process has ended. */
void tls_reap(struct master *m, pid_t pid);

#endif
