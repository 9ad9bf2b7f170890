/*
 * The keeper: the only process that holds secrets, and the one that decides.  It talks to the
 * master, to sessions and to errands in messages (ipc/ipc.h), and reads its files; it never
 * waits for a peer, runs no program, and has no network.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

/*
 * Read the configuration below conf_dir (NULL: the default place), unlock the key store, tell
 * the master READY, and serve until the master and the last session are gone.  run_as is the
 * user to become, or NULL. To be called in a process that has just been executed, with the
 * socket to the master.  Returns the exit status of the process: 78 for errors in the
 * configuration, which are printed.
 */
int keeper_run(int master, const char *conf_dir, const char *run_as);

#endif
