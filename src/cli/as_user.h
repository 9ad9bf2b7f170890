/*
 * The users that the processes of a gateway started by root become, for check and route: a file
 * that root can read is of no use if the keeper cannot.
 */
#ifndef CLI_AS_USER_H
#define CLI_AS_USER_H

#include "conf/conf.h"
#include "conf/users.h"

struct as_user {
	struct conf *conf;  /* that the names belong to */
	struct users users; /* NULL: no change, also if there is no such user */
};

/* Take the names from the configuration in dir (NULL: the default place). */
void as_user_init(struct as_user *u, const char *dir);
void as_user_free(struct as_user *u);

/* Become the user of the keeper, of lookup programs, of the network processes, and again the user we were started by.
 * Ends the program if that is not possible. */
void as_user_keeper(const struct as_user *u);
void as_user_programs(const struct as_user *u);
void as_user_network(const struct as_user *u);
void as_user_self(void);

/* The user of lookup programs; NULL: no change. */
const char *as_user_programs_user(const struct as_user *u);

/* For a subcommand before it reads the configuration in dir: if the key store there belongs to another user,
 * as that of an installed gateway does, hints are to run the command as that user (base/access_hint.h). */
void as_user_hints(const char *dir);

/* Is the keeper's user another one than ours? */
int as_user_other(const struct as_user *u);

#endif
