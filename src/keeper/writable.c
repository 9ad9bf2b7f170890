/*
 * The directories in which the keeper may write, by Landlock: those that the configuration
 * names at the start, and those of the state directory.  At a reload another one is an error.  As for Landlock, a directory is
 * its device and inode, not its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/names.h"
#include "keeper/writable.h"
#include "lookup/route.h"
#include "state/state.h"

/* Directories on the way up to /: a limit for file systems that go in circles. */
#define PATH_DEPTH_MAX 4096

struct writable {
	struct place {
		dev_t dev;
		ino_t ino;
	} * v;
	size_t n;
};

/* Called with each directory, the file in it (NULL: any), and the line of the configuration
 * that names it. */
typedef int writable_found(void *ctx, const char *dir, const char *path, const char *file,
    unsigned int line);

/* --- what a configuration names --- */

static int
writable_of_route(const struct conf *conf, const struct conf_section *s, writable_found *found,
    void *ctx)
{
	const struct conf_entry *strict = conf_entry_find(s, "StrictHostKeyChecking"), *e;
	struct conf_errors errors = { 0 };
	struct route *route = NULL;
	const char *path;
	char *dir;
	int r = 0;

	/* most routes have no accept-new: do not build them */
	if (strict == NULL || strcasecmp(strict->value, "accept-new") != 0)
		return 0;
	if (route_new(conf, s, &errors, &route) == 0 && route->known_hosts_files.n > 0 &&
	    route->host_key_fingerprints.n == 0) {
		path = route->known_hosts_files.v[0];
		e = conf_entry_find(s, "UserKnownHostsFile");
		dir = path_dir(path);
		r = dir == NULL ? ERR_NOMEM :
				  found(ctx, dir, path, e == NULL ? s->file : e->file,
				      e == NULL ? s->line : e->line);
		free(dir);
	}
	route_free(&route);
	conf_errors_free(&errors);
	return r;
}

/* The tree of [lookup directory]: each directory in it may have a known_hosts. */
static int
writable_of_tree(const struct conf *conf, const struct conf_section *s, writable_found *found,
    void *ctx)
{
	const struct conf_entry *strict = conf_entry_find(s, "StrictHostKeyChecking");
	const struct conf_entry *path = conf_entry_find(s, "Path");
	char *dir;
	int r;

	if (strcmp(s->name, "directory") != 0 || path == NULL || strict == NULL ||
	    strcasecmp(strict->value, "accept-new") != 0)
		return 0;
	dir = conf_path(conf, path->value);
	r = dir == NULL ? ERR_NOMEM : found(ctx, dir, NULL, path->file, path->line);
	free(dir);
	return r;
}

static int
writable_each(const struct conf *conf, writable_found *found, void *ctx)
{
	const struct conf_lookup *lookup = &conf->lookup;
	unsigned int line;
	const char *file;
	size_t i;
	int r = 0;

	for (i = 0; i < conf->n_routes && r == 0 && strlist_has(&lookup->order, "ini"); i++)
		r = writable_of_route(conf, &conf->routes[i], found, ctx);
	for (i = 0; i < lookup->n && r == 0 && strlist_has(&lookup->order, "directory"); i++)
		r = writable_of_tree(conf, &lookup->sections[i], found, ctx);
	file = conf_where(conf, "lookup", "KnownHostsDirectory", &line);
	for (i = 0; i < lookup->known_hosts_dirs.n && r == 0; i++)
		r = found(ctx, lookup->known_hosts_dirs.v[i], NULL, file, line);
	return r;
}

/* --- at the start --- */

/* Is this one of the directories? */
static int
writable_has(const struct writable *w, const struct stat *st)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (w->v[i].dev == st->st_dev && w->v[i].ino == st->st_ino)
			return 1;
	return 0;
}

struct start {
	struct writable *w;
	struct landlock *landlock;
};

static int
writable_add(const struct start *start, const char *dir)
{
	struct writable *w = start->w;
	struct place *v;
	struct stat st;

	/* many routes may share a directory; and "/" would allow everything */
	if (stat(dir, &st) == -1 || !S_ISDIR(st.st_mode) || strcmp(dir, "/") == 0 ||
	    writable_has(w, &st) ||
	    landlock_allow(start->landlock, dir, LANDLOCK_READ | LANDLOCK_WRITE_FILES) != 0)
		return 0;
	v = reallocarray(w->v, w->n + 1, sizeof(*v));
	if (v == NULL)
		return ERR_NOMEM;
	w->v = v;
	w->v[w->n++] = (struct place){ st.st_dev, st.st_ino };
	return 0;
}

static int
writable_at_start(void *ctx, const char *dir, const char *path, const char *file, unsigned int line)
{
	return writable_add(ctx, dir);
}

/* STATE_DIRECTORY of systemd.exec(5): paths separated by colons. */
static int
writable_add_state_dirs(const struct start *start)
{
	const char *value = getenv("STATE_DIRECTORY");
	char *copy, *dir, *rest;
	int r = 0;

	if (value == NULL)
		return 0;
	copy = strdup(value);
	if (copy == NULL)
		return ERR_NOMEM;
	for (dir = strtok_r(copy, ":", &rest); dir != NULL && r == 0;
	     dir = strtok_r(NULL, ":", &rest))
		r = dir[0] == '/' ? writable_add(start, dir) : 0;
	free(copy);
	return r;
}

/* The directories in the state directory: those that exist, and in which records are replaced. */
static int
writable_add_state(const struct start *start, const struct conf *conf)
{
	char *dir;
	size_t i;

	for (i = 0; state_kind(i) != NULL; i++) {
		if (asprintf(&dir, "%s/%s", conf->gateway.state_directory, state_kind(i)) == -1)
			return ERR_NOMEM;
		(void)!landlock_allow(start->landlock, dir,
		    LANDLOCK_READ | LANDLOCK_WRITE_FILES | LANDLOCK_REPLACE_FILES);
		free(dir);
	}
	return 0;
}

int
writable_new(const struct conf *conf, struct landlock *l, struct writable **out)
{
	struct start start = { calloc(1, sizeof(struct writable)), l };
	int r;

	*out = NULL;
	if (start.w == NULL)
		return ERR_NOMEM;
	r = writable_each(conf, writable_at_start, &start);
	if (r == 0)
		r = writable_add_state_dirs(&start);
	if (r == 0)
		r = writable_add_state(&start, conf);
	if (r != 0)
		writable_free(&start.w);
	*out = start.w;
	return r;
}

void
writable_free(struct writable **w)
{
	if (*w != NULL)
		free((*w)->v);
	free(*w);
	*w = NULL;
}

/* --- at a reload --- */

/* Is dir one of the directories, or below one?  Also 1 if it cannot be opened: nothing can be
 * written there then. */
static int
writable_covers(const struct writable *w, const char *dir)
{
	int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), above, found = at == -1, depth;
	struct stat st, top = { 0 };

	for (depth = 0; !found && depth < PATH_DEPTH_MAX; depth++) {
		if (fstat(at, &st) == -1 || (st.st_dev == top.st_dev && st.st_ino == top.st_ino))
			break;
		found = writable_has(w, &st);
		top = st;
		above = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fd_close(&at);
		at = above;
		if (at == -1)
			break;
	}
	fd_close(&at);
	return found;
}

struct reload {
	const struct writable *w;
	struct conf_errors *errors;
};

static int
writable_at_reload(void *ctx, const char *dir, const char *path, const char *file,
    unsigned int line)
{
	struct reload *reload = ctx;

	if (!writable_covers(reload->w, dir))
		conf_error(reload->errors, file, line,
		    "accept-new writes to %.1000s, in a directory that was not configured when "
		    "this gateway started: restart it",
		    path != NULL ? path : dir);
	return 0;
}

void
writable_check(const struct writable *w, const struct conf *conf, struct conf_errors *errors)
{
	struct reload reload = { w, errors };

	if (w != NULL && writable_each(conf, writable_at_reload, &reload) != 0)
		conf_error(errors, conf->dir, 0, "out of memory");
}
