/*
 * What root is told of a file is no use if another user is to read it: `check` and `route`
 * look at files as the users whom the processes of a gateway started by root become.
 */
#ifndef CLI_BECOME_H
#define CLI_BECOME_H

#include "conf/conf.h"
#include "lookup/route.h"
#include "master/users.h"

struct become {
	struct conf *conf;  /* where the names are from */
	struct users users; /* NULL: who we are, also for a user there isn't */
};

/* Find out who they are, from the configuration in dir (NULL: the default place). */
void become_init(struct become *b, const char *dir);
void become_free(struct become *b);

/* From now on files are opened as the keeper would, as those would who dial, as programs would,
 * and as ourselves again.  Ends the program if that is not possible. */
void become_keeper(const struct become *b);
void become_programs(const struct become *b);
void become_network(const struct become *b);
void become_self(void);

/* Whom the programs become; NULL: who we are. */
const char *become_programs_user(const struct become *b);

/* Has the keeper another user than we? */
int become_other(const struct become *b);

#define BECOME_WHY_SIZE 4096

/*
 * StrictHostKeyChecking accept-new, as the keeper: could a key be written down?  0 if it
 * could, or needs not; else why has a line, and it is 1 if all machines of the route are
 * known already, or -1: the login to one that is not known is refused.
 */
int become_accept_new(const struct route *r, char why[BECOME_WHY_SIZE]);

#endif
