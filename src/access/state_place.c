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

/* Are these the same directory, or paths of the same one to be? */
static int
state_place_is(const char *path, const char *other)
{
	size_t len = strlen(path), n = strlen(other);
	struct stat a, b;

	if (stat(path, &a) == 0 && stat(other, &b) == 0)
		return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
	while (len > 1 && path[len - 1] == '/')
		len--;
	while (n > 1 && other[n - 1] == '/')
		n--;
	return len == n && memcmp(path, other, n) == 0;
}

/* The keeper may write in the directory: it must not be one that has keys or the configuration.  0 or
 * ERR_PERM. */
static int
state_place_check(const struct conf *conf, const char *path, struct reason *why)
{
	const char *what = NULL;

	if (conf->keystore.path != NULL && state_place_is(path, conf->keystore.path))
		what = "key store";
	else if (state_place_is(path, conf->dir))
		what = "configuration";
	if (what == NULL)
		return 0;
	reason_set(why, "%s: is the directory of the %s; name one of its own", path, what);
	return ERR_PERM;
}

int
state_place_open(const struct conf *conf, int create, struct state **out, struct reason *why)
{
	const char *path = conf->gateway.state_directory;
	const uid_t user = conf->file_rule.user;
	int r;

	*out = NULL;
	if ((r = state_place_check(conf, path, why)) != 0)
		return r;
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
