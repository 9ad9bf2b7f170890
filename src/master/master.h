/*
 * The master: binds, accepts, counts and refuses, forks and reaps.  It holds no key
 * and reads nothing that comes from the network.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdint.h>

#include "conf/conf.h"
#include "wire/wire.h"

/* One connection, as handed to the process that serves it. */
struct master_session {
	uint64_t id;
	const char *client; /* "203.0.113.9 port 40022" */
	const struct conf_gateway *gateway;
};

/* What the master forks, besides what it executes anew.  Each runs in a process of its own. */
struct master_roles {
	/* Would these host keys (public blobs) serve?  0; or an ERR_*, with the reason in why, which
	 * is static.  Called at the start and at each reload, before either says yes. */
	int (*try_host_keys)(const struct bytes *keys, size_t n, const char **why);
	void (*session)(int client, int keeper, const struct master_session *session);
};

/* Serve until SIGTERM or SIGINT.  conf has the gateway's part; conf_dir is what the
 * keeper is given.  Returns the program's exit status. */
int master_run(const struct conf *conf, const char *conf_dir, const struct master_roles *roles);

#endif
