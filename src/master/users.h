/*
 * Started as root: which users the processes become.
 */
#ifndef MASTER_USERS_H
#define MASTER_USERS_H

#include "conf/conf.h"

/* NULL: stays who it is. */
struct users {
	const char *keeper;
	const char *network;  /* everything else: master, sessions, errands */
	const char *programs; /* that look logins up: RunAs of [lookup exec]; NULL: as network */
};

/* As the configuration has it, whether they are there or not. */
void users_named(const struct conf *conf, struct users *users);

/* 0; or ERR_CONFIG, with what is wrong logged.  The names live as long as the conf. */
int users_choose(const struct conf *conf, struct users *users) MUST_CHECK;

/* May programs have the user that RunAs of [lookup exec] names?  users is of users_named().  0, or
 * ERR_CONFIG with the error added. */
int users_check_programs(const struct conf *conf, const struct users *users,
    struct conf_errors *errors) MUST_CHECK;

#endif
