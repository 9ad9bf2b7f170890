/*
 * Choosing and checking the users of RunAs and RunNetworkAs.  Called by the master at its start and by
 * `sallyport check`.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/privs.h"
#include "conf/users.h"

#define NETWORK_USER "sallyport-net"
/* If NETWORK_USER does not exist.  Other programs may run as nobody, too. */
#define SHARED_USER "nobody"

static int
users_require(const char *key, const char *name)
{
	if (privs_user_exists(name))
		return 0;
	log_error("%s: there is no user \"%s\"; make one (adduser --system --group %s) or set %s "
		  "in [gateway]",
	    key, name, name, key);
	return ERR_CONFIG;
}

void
users_named(const struct conf *conf, struct users *users)
{
	const struct conf_entry *programs = conf_lookup_entry(conf, "exec", "RunAs");
	const struct conf_gateway *gateway = &conf->gateway;

	*users = (struct users){ NULL, NULL, NULL };
	if (geteuid() != 0)
		return;
	users->programs = programs == NULL ? NULL : programs->value;
	users->keeper = gateway->run_as != NULL ? gateway->run_as : CONF_RUN_AS;
	if (strcmp(users->keeper, "root") == 0)
		users->keeper = NULL;
	users->network = gateway->run_network_as;
	if (users->network == NULL && users->keeper != NULL)
		users->network = privs_user_exists(NETWORK_USER) ? NETWORK_USER : SHARED_USER;
}

int
users_check_programs(const struct conf *conf, const struct users *users, struct conf_errors *errors)
{
	const struct conf_entry *e = conf_lookup_entry(conf, "exec", "RunAs");
	uid_t uid;

	if (e == NULL)
		return 0;
	if (privs_uid(e->value, &uid) != 0)
		conf_error(errors, e->file, e->line,
		    "RunAs: there is no user \"%s\"; make one (adduser --system --group %s)",
		    e->value, e->value);
	else if (getuid() != 0 && uid != getuid())
		conf_error(errors, e->file, e->line,
		    "RunAs: only a gateway that is started as root can run programs as %s",
		    e->value);
	else if (getuid() == 0 &&
	    (uid == 0 || (users->keeper != NULL && privs_same_user(users->keeper, e->value)) ||
		(users->network != NULL && privs_same_user(users->network, e->value))))
		conf_error(errors, e->file, e->line,
		    "RunAs: %s is root, or the user of a gateway process: lookup programs need "
		    "a user of their own",
		    e->value);
	else
		return 0;
	return ERR_CONFIG;
}

static int
users_choose_programs(const struct conf *conf, const struct users *users)
{
	struct conf_errors errors = { 0 };
	int r = users_check_programs(conf, users, &errors);

	conf_errors_print(&errors, stderr);
	conf_errors_free(&errors);
	return r;
}

int
users_choose(const struct conf *conf, struct users *users)
{
	const struct conf_gateway *gateway = &conf->gateway;

	users_named(conf, users);
	if (users_choose_programs(conf, users) != 0)
		return ERR_CONFIG;
	if (geteuid() != 0)
		return 0;
	if (users->keeper != NULL && users_require("RunAs", users->keeper) != 0)
		return ERR_CONFIG;
	if (gateway->run_network_as == NULL) {
		if (users->network != NULL && strcmp(users->network, SHARED_USER) == 0)
			log_warn("there is no user " NETWORK_USER
				 ": all processes but the keeper run as " SHARED_USER
				 ", as other programs may do");
		return 0;
	}
	if (users_require("RunNetworkAs", users->network) != 0)
		return ERR_CONFIG;
	if (!privs_same_user("root", users->network) &&
	    (users->keeper == NULL || !privs_same_user(users->keeper, users->network)))
		return 0;
	log_error(
	    "RunNetworkAs: %s is root or the keeper's user: it must be a user that cannot read "
	    "the keys",
	    users->network);
	return ERR_CONFIG;
}
