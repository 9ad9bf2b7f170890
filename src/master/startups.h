/*
 * Connections that have not logged in yet: MaxStartups and PerSourceMaxStartups of
 * sshd_config(5), and which process serves whom.
 */
#ifndef MASTER_STARTUPS_H
#define MASTER_STARTUPS_H

#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"

#define STARTUP_ADDRESS_SIZE 64

struct startups;

struct startups *startups_new(const struct conf_gateway *gateway);
/* Other limits from now on; gateway must stay as long as it is used. */
void startups_set_limits(struct startups *s, const struct conf_gateway *gateway);
void startups_free(struct startups **s);

/* May one more come from this address?  1, or 0 with the reason (static text). */
int startups_admit(struct startups *s, const char *address, const char **why);

/* A process serves a connection from this address.  0 or ERR_NOMEM. */
int startups_add(struct startups *s, pid_t pid, uint64_t id, const char *address);

/* It has logged in: no longer counted. */
void startups_logged_in(struct startups *s, uint64_t id);

/* The process has ended.  1 if it was one of ours, with its session id. */
int startups_remove(struct startups *s, pid_t pid, uint64_t *id);

/* Send a signal to the process of each session. */
void startups_signal(const struct startups *s, int sig);

/* All sessions, logged in or not. */
unsigned int startups_sessions(const struct startups *s);

#endif
