/*
 * The keeper: the one process that holds secrets and decides.  It talks to the
 * master and to sessions over sockets of messages (ipc/ipc.h), reads its files, never
 * waits for anybody, runs nothing, and has no network.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

/*
 * Read the configuration below conf_dir (NULL: the default place), unlock the key
 * store, tell the master READY, and serve until the master and the last session are
 * gone.  run_as is the user to become, or NULL.  Called in a process that was executed
 * anew, with the socket to the master; returns the process's exit status, 78 for errors in the
 * configuration, all printed.
 */
int keeper_run(int master, const char *conf_dir, const char *run_as);

#endif
