/*
 * Started as root: which users the processes become.
 */
#ifndef MASTER_USERS_H
#define MASTER_USERS_H

#include "conf/conf.h"

/* NULL: stays who it is. */
struct users {
	const char *keeper;
	const char *network; /* everything else: master, sessions, errands */
};

/* As the configuration has it, whether they are there or not. */
void users_named(const struct conf_gateway *gateway, struct users *users);

/* 0; or ERR_CONFIG, with what is wrong logged.  The names live as long as the gateway. */
int users_choose(const struct conf_gateway *gateway, struct users *users) MUST_CHECK;

#endif
