/*
 * Which users the processes become when the gateway is started as root.
 */
#ifndef CONF_USERS_H
#define CONF_USERS_H

#include "conf/conf.h"

/* Names of users.  NULL: that process keeps the user it has. */
struct users {
	const char *keeper;
	const char *network;  /* of the master, the sessions and the errands */
	const char *programs; /* of lookup programs: RunAs of [lookup exec]; NULL: as network */
};

/* The names in the configuration, or their defaults, without a look whether such users exist. */
void users_named(const struct conf *conf, struct users *users);

/* The same, checked.  0; or ERR_CONFIG, with what is wrong logged.  The names live as long
 * as the conf. */
int users_choose(const struct conf *conf, struct users *users) MUST_CHECK;

/* Can lookup programs run as the user that RunAs of [lookup exec] names?  users was filled by
 * users_named().  0, or ERR_CONFIG with the error added. */
int users_check_programs(const struct conf *conf, const struct users *users,
    struct conf_errors *errors) MUST_CHECK;

#endif
