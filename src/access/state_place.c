/*
 * The state directory of a configuration.  Called by keeper/snapshot.c and by subcommands that read
 * or change records.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/identity.h"
#include "access/state_place.h"
#include "base/fd.h"

static const struct conf_entry *
state_place_need_of(const struct conf_section *sections, size_t n)
{
	const struct conf_entry *e;
	size_t i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < sections[i].n; j++) {
			e = &sections[i].entries[j];
			if (strcasecmp(e->key, "TOTP") == 0 ||
			    (strcasecmp(e->key, "CheckTotp") == 0 &&
				strcasecmp(e->value, "yes") == 0) ||
			    (strcasecmp(e->key, "Key") == 0 &&
				(strncmp(e->value, "ca:", 3) == 0 ||
				    strncmp(e->value, "ca-agent:", 9) == 0)))
				return e;
		}
	return NULL;
}

const struct conf_entry *
state_place_need(const struct conf *conf)
{
	const struct conf_entry *e;
	size_t i;

	for (i = 0; i < conf->n_sections; i++) {
		if (strcmp(conf->sections[i].kind, "gateway") != 0)
			continue;
		e = conf_entry_find(&conf->sections[i], "StateDirectory");
		if (e != NULL)
			return e;
	}
	e = state_place_need_of(conf->routes, conf->n_routes);
	return e != NULL ? e : state_place_need_of(conf->lookup.sections, conf->lookup.n);
}

/* Root makes the directory for the keeper.  0 or ERR_SYS. */
static int
state_place_make(const char *path, uid_t user)
{
	int fd, r = 0;

	if (mkdir(path, 0700) == -1)
		return errno == EEXIST ? 0 : ERR_SYS;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fchown(fd, user, (gid_t)-1) == -1)
		r = ERR_SYS;
	fd_close(&fd);
	return r;
}

int
state_place_open(const struct conf *conf, int create, struct state **out, struct reason *why)
{
	const char *path = conf->gateway.state_directory;
	const uid_t user = conf->file_rule.user;
	int r;

	*out = NULL;
	if (create && geteuid() == 0 && user != 0 && state_place_make(path, user) != 0) {
		reason_set(why, "%s: cannot be made: %s", path, strerror(errno));
		return ERR_SYS;
	}
	r = state_open(path, create, out, why);
	if (r == 0)
		r = identity_check_way(conf, path, why);
	if (r != 0)
		state_free(out);
	return r;
}
