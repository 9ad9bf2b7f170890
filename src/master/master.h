/*
 * The master: binds, accepts, counts and refuses connections, forks and reaps sessions.  It holds no
 * key and reads nothing that comes from the network.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdint.h>

#include "conf/conf.h"
#include "wire/wire.h"

/* A connection, for the session that serves it. */
struct master_session {
	uint64_t id;
	const char *client; /* "203.0.113.9 port 40022" */
	const struct conf_gateway *gateway;
};

/* What the master forks without executing anew: cli/serve.c supplies it, as the master knows neither
 * sessions nor libssh. */
struct master_roles {
	/* Can a server leg be made with these host keys (public blobs)?  0; or an ERR_*, with the
	 * reason in why, which is static.  Called at the start and at each reload, before they succeed. */
	int (*try_host_keys)(const struct bytes *keys, size_t n, const char **why);
	/* Serve a connection; called in the forked process. */
	void (*session)(int client, int keeper, const struct master_session *session);
	/* Serve a hop of a session, on a socket to the keeper; called in the forked process. */
	void (*hop)(int keeper);
	/* The same for a TLS connection; inner is the socket for what is inside. */
	void (*tls)(int client, int keeper, int inner, const struct master_session *session);
};

/* Serve until SIGTERM or SIGINT.  conf was read with CONF_GATEWAY; the keeper reads conf_dir itself.
 * Returns the program's exit status. */
int master_run(const struct conf *conf, const char *conf_dir, const struct master_roles *roles);

#endif
