/*
 * What root is told of a file is no use if another user is to read it: `check` and `route`
 * look at files as the users whom the processes of a gateway started by root become.
 */
#ifndef CLI_AS_USER_H
#define CLI_AS_USER_H

#include "base/reason.h"
#include "conf/conf.h"
#include "lookup/route.h"
#include "conf/users.h"

struct as_user {
	struct conf *conf;  /* where the names are from */
	struct users users; /* NULL: who we are, also for a user there isn't */
};

/* Find out who they are, from the configuration in dir (NULL: the default place). */
void as_user_init(struct as_user *b, const char *dir);
void as_user_free(struct as_user *b);

/* From now on files are opened as the keeper would, as those would who dial, as programs would,
 * and as ourselves again.  Ends the program if that is not possible. */
void as_user_keeper(const struct as_user *b);
void as_user_programs(const struct as_user *b);
void as_user_network(const struct as_user *b);
void as_user_self(void);

/* Whom the programs become; NULL: who we are. */
const char *as_user_programs_user(const struct as_user *b);

/* Has the keeper another user than we? */
int as_user_other(const struct as_user *b);

/*
 * StrictHostKeyChecking accept-new, as the keeper: could a key be written down?  0 if it
 * could, or needs not; else why has a line, and it is 1 if all machines of the route are
 * known already, or -1: the login to one that is not known is refused.
 */
int as_user_accept_new(const struct route *r, struct reason *why);

#endif
