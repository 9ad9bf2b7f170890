/*
 * check and route, started by root, do each thing as the user who does it in the gateway.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access_hint.h"
#include "base/log.h"
#include "base/privs.h"
#include "cli/as_user.h"

void
as_user_init(struct as_user *u, const char *dir)
{
	struct conf_errors errors = { 0 };

	*u = (struct as_user){ 0 };
	as_user_hints(dir);
	/* errors are reported when all of the configuration is read */
	(void)!conf_read(dir, CONF_GATEWAY, &u->conf, &errors);
	conf_errors_free(&errors);
	if (u->conf == NULL)
		return;
	users_named(u->conf, &u->users);
	/* without the user of the keeper the gateway would not start: nothing to change to */
	if (u->users.keeper != NULL && !privs_user_exists(u->users.keeper))
		u->users = (struct users){ NULL, NULL, NULL };
	if (u->users.network != NULL && !privs_user_exists(u->users.network))
		u->users.network = NULL;
	if (u->users.programs != NULL && !privs_user_exists(u->users.programs))
		u->users.programs = NULL;
}

const char *
as_user_programs_user(const struct as_user *u)
{
	return u->users.programs != NULL ? u->users.programs : u->users.network;
}

void
as_user_free(struct as_user *u)
{
	conf_free(&u->conf);
	*u = (struct as_user){ 0 };
}

static void
as_user_become(const char *user)
{
	int r = privs_as(user);

	if (r != 0)
		fatal("cannot look at files as user %s: %s", user == NULL ? "root" : user,
		    err_str(r));
}

void
as_user_keeper(const struct as_user *u)
{
	as_user_become(u->users.keeper);
}

void
as_user_programs(const struct as_user *u)
{
	as_user_become(as_user_programs_user(u));
}

void
as_user_network(const struct as_user *u)
{
	as_user_become(u->users.network);
}

void
as_user_self(void)
{
	as_user_become(NULL);
}

/* Does the path belong to a gateway that this process cannot act for? */
static int
as_user_is_foreign(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return errno == EACCES;
	return st.st_uid != geteuid() && (st.st_uid != 0 || access(path, R_OK | X_OK) == -1);
}

void
as_user_hints(const char *dir)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	const char *path, *user = CONF_RUN_AS;

	if (geteuid() == 0)
		return;
	(void)!conf_read(dir, CONF_GATEWAY, &conf, &errors);
	path = conf != NULL ? conf->keystore.path : errors.n > 0 ? errors.v[0].file : NULL;
	if (conf != NULL && conf->gateway.run_as != NULL)
		user = conf->gateway.run_as;
	if (path != NULL && as_user_is_foreign(path))
		access_hint_stranger(privs_user_exists(user) ? user : NULL);
	conf_errors_free(&errors);
	conf_free(&conf);
}

int
as_user_other(const struct as_user *u)
{
	return u->users.keeper != NULL;
}
