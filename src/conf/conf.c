/*
 * Reading a configuration: the directory, its files, the sections in them.  Called by `sallyport` commands,
 * by the master at its start, and by the keeper at its start and at each reload.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access_hint.h"
#include "base/fd.h"
#include "conf/arena.h"
#include "conf/conf.h"
#include "conf/sections.h"
#include "conf/reader.h"
#include "conf/strict.h"

#define SYSTEM_DIR "/etc/sallyport/conf.d"
#define LOCAL_DIR "conf.d"

static int
dir_filter(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 4 && strcmp(d->d_name + len - 4, ".ini") == 0;
}

/* 1 unless the directory can be read and has no *.ini file. */
static int
dir_has_files(const char *dir)
{
	const struct dirent *d;
	DIR *list = opendir(dir);
	int found = 0;

	if (list == NULL)
		return 1;
	while (!found && (d = readdir(list)) != NULL)
		found = dir_filter(d);
	closedir(list);
	return found;
}

/* dir, or the conf.d in it if the files are there, without slashes at its end; NULL: neither default is
 * there. */
static char *
dir_choose(const char *dir, struct conf_errors *errors)
{
	struct stat st;
	char *inner;
	size_t len;

	/* a system directory that this user may not read is an error, not a reason for ./conf.d */
	if (dir == NULL && (access(SYSTEM_DIR, F_OK) == 0 || errno == EACCES))
		dir = SYSTEM_DIR;
	if (dir == NULL && access(LOCAL_DIR, F_OK) == 0)
		dir = LOCAL_DIR;
	if (dir == NULL) {
		conf_error(errors, LOCAL_DIR, 0,
		    "no configuration: there is neither " SYSTEM_DIR " nor ./" LOCAL_DIR
		    "; make one of them or name another with -c DIR");
		return NULL;
	}
	for (len = strlen(dir); len > 1 && dir[len - 1] == '/'; len--)
		;
	if (asprintf(&inner, "%.*s/" LOCAL_DIR, len == 1 && dir[0] == '/' ? 0 : (int)len, dir) ==
	    -1)
		return NULL;
	if (!dir_has_files(dir) && stat(inner, &st) == 0 && S_ISDIR(st.st_mode))
		return strncmp(inner, "./", 2) == 0 ? memmove(inner, inner + 2, strlen(inner) - 1) :
						      inner;
	free(inner);
	return strndup(dir, len);
}

/* The absolute path of dir's parent by name: of a symbolic link, the directory that the link is in. */
static char *
dir_base(const char *dir)
{
	const char *last = strrchr(dir, '/');
	char *full, *base = NULL, cwd[PATH_MAX];

	last = last == NULL ? dir : last + 1;
	if (strcmp(last, ".") == 0 || strcmp(last, "..") == 0 || *last == '\0') {
		full = realpath(dir, NULL);
	} else if (dir[0] == '/') {
		full = strdup(dir);
	} else {
		if (getcwd(cwd, sizeof(cwd)) == NULL)
			return NULL;
		if (asprintf(&full, "%s%s%s", cwd, strcmp(cwd, "/") == 0 ? "" : "/", dir) == -1)
			full = NULL;
	}
	if (full != NULL) {
		last = strrchr(full, '/');
		base = strndup(full, last == full ? 1 : (size_t)(last - full));
	}
	free(full);
	return base;
}

/* 1 if values can begin with this path: `check --dump` prints them in lines that can be read again. */
static int
dir_base_ok(const char *base)
{
	const char *p;

	for (p = base; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f ||
		    ((*p == ';' || *p == '#') && p > base && p[-1] == ' '))
			return 0;
	return 1;
}

static int
dir_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* 0, or ERR_CONFIG if there is nothing to read. */
static int
dir_read(struct conf *conf, struct reader *reader, struct strict *strict,
    struct conf_errors *errors)
{
	struct dirent **list = NULL;
	struct reason why;
	char *path, *name;
	int fd, i, n;

	n = scandir(conf->dir, &list, dir_filter, dir_order);
	if (n == -1 && errno == EACCES) {
		(void)access_hint(conf->dir, R_OK | X_OK, &why);
		conf_error(errors, conf->dir, 0, "%s", why.text);
		return ERR_CONFIG;
	}
	if (n == -1) {
		conf_error(errors, conf->dir, 0, "%s: this must be a directory with *.ini files",
		    strerror(errno));
		return ERR_CONFIG;
	}
	strict_begin(strict, conf->dir, errors);
	if (n == 0)
		conf_error(errors, conf->dir, 0,
		    "there is no *.ini file in it, nor a " LOCAL_DIR " with one: copy "
		    "conf.d/00-gateway.ini of the distribution and add a [route]");
	for (i = 0; i < n; i++) {
		name = NULL;
		if (asprintf(&path, "%s/%s", strcmp(conf->dir, "/") == 0 ? "" : conf->dir,
			list[i]->d_name) != -1) {
			name = arena_text(conf->arena, path, strlen(path));
			free(path);
		}
		fd = -1;
		if (name == NULL)
			conf_error(errors, conf->dir, 0, "out of memory");
		else
			fd = strict_open(strict, name, errors);
		if (fd != -1)
			reader_file(reader, name, fd);
		fd_close(&fd);
		free(list[i]);
	}
	free(list);
	return n == 0 ? ERR_CONFIG : 0;
}

/* Put each section into its list: routes, [lookup NAME], and the others. */
static int
conf_sort_sections(struct conf *conf, const struct conf_section *all, size_t n)
{
	const struct conf_section *s;
	size_t i;

	conf->sections = arena_take(conf->arena, n * sizeof(*all));
	conf->lookup.sections = arena_take(conf->arena, n * sizeof(*all));
	conf->routes = arena_take(conf->arena, n * sizeof(*all));
	if (conf->sections == NULL || conf->lookup.sections == NULL || conf->routes == NULL)
		return ERR_NOMEM;
	for (i = 0; i < n; i++) {
		s = &all[i];
		if (strcmp(s->kind, "route") == 0)
			conf->routes[conf->n_routes++] = *s;
		else if (strcmp(s->kind, "lookup") == 0 && s->name[0] != '\0')
			conf->lookup.sections[conf->lookup.n++] = *s;
		else
			conf->sections[conf->n_sections++] = *s;
	}
	return 0;
}

int
conf_read(const char *dir, enum conf_what what, struct conf **out, struct conf_errors *errors)
{
	struct reader *reader = NULL;
	struct strict strict = { .dir_fd = -1 };
	const struct conf_section *all;
	struct conf *conf;
	size_t n, before = errors->n;

	*out = NULL;
	conf = calloc(1, sizeof(*conf));
	if (conf == NULL)
		goto nomem;
	conf->dir = dir_choose(dir, errors);
	if (errors->n != before)
		goto out;
	conf->arena = arena_new();
	if (conf->dir != NULL && conf->arena != NULL)
		reader = reader_new(conf->arena, what, errors);
	if (reader == NULL)
		goto nomem;
	conf->base = dir_base(conf->dir);
	if (conf->base == NULL) {
		conf_error(errors, conf->dir, 0, "%s", strerror(errno));
		goto out;
	}
	if (!dir_base_ok(conf->base))
		conf_error(errors, conf->dir, 0,
		    "the path of the directory that holds it has a control character, or a "
		    "blank and then ; or #, so no value can name it: rename that directory");
	if (dir_read(conf, reader, &strict, errors) != 0)
		goto out;
	all = reader_sections(reader, &n);
	if (conf_sort_sections(conf, all, n) != 0)
		goto nomem;
	sections_parse(conf, errors);
	strict_judge(&strict, conf, errors);
	*out = conf;
	conf = NULL;
	goto out;
nomem:
	conf_error(errors, dir == NULL ? LOCAL_DIR : dir, 0, "out of memory");
out:
	reader_free(&reader);
	strict_free(&strict);
	conf_free(&conf);
	return errors->n == before ? 0 : ERR_CONFIG;
}

int
conf_load(const char *dir, enum conf_what what, struct conf **out, struct conf_errors *errors)
{
	int err = conf_read(dir, what, out, errors);

	if (err != 0)
		conf_free(out);
	return err;
}

void
conf_free(struct conf **conf)
{
	if (*conf == NULL)
		return;
	sections_clear(*conf);
	arena_free(&(*conf)->arena);
	free((*conf)->dir);
	free((*conf)->base);
	free(*conf);
	*conf = NULL;
}

char *
conf_path(const struct conf *conf, const char *path)
{
	char *full;

	if (path[0] == '/')
		return strdup(path);
	while (path[0] == '.' && path[1] == '/')
		for (path += 2; *path == '/'; path++)
			;
	if (asprintf(&full, "%s/%s", strcmp(conf->base, "/") == 0 ? "" : conf->base, path) == -1)
		return NULL;
	return full;
}

const struct conf_entry *
conf_entry_find(const struct conf_section *section, const char *key)
{
	size_t i;

	for (i = section->n; i > 0; i--)
		if (strcasecmp(section->entries[i - 1].key, key) == 0)
			return &section->entries[i - 1];
	return NULL;
}

const struct conf_entry *
conf_lookup_entry(const struct conf *conf, const char *backend, const char *key)
{
	size_t i;

	for (i = 0; i < conf->lookup.n; i++)
		if (strcmp(conf->lookup.sections[i].name, backend) == 0)
			return conf_entry_find(&conf->lookup.sections[i], key);
	return NULL;
}

const char *
conf_where(const struct conf *conf, const char *kind, const char *key, unsigned int *line)
{
	const struct conf_entry *e;
	size_t i;

	for (i = 0; i < conf->n_sections; i++) {
		if (strcmp(conf->sections[i].kind, kind) != 0)
			continue;
		e = conf_entry_find(&conf->sections[i], key);
		*line = e == NULL ? conf->sections[i].line : e->line;
		return e == NULL ? conf->sections[i].file : e->file;
	}
	*line = 0;
	return conf->dir;
}

void
conf_dump(const struct conf *conf, FILE *to)
{
	sections_dump(conf, to);
}
