/*
 * sallyport check: routes that no login can reach, because of the names of others, and files in conf.d that are
 * not read, because of theirs; for check.c.
 */
#include <dirent.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/check.h"
#include "lookup/plugin.h"

/* --- patterns behind others --- */

/* Comparisons of two patterns, of 14,000 each with each: a few seconds' worth. */
#define COMPARISONS_MAX (100u * 1000 * 1000)

/* Is the route used for every login that its name matches? */
static int
check_is_unconditional(const struct conf_section *s)
{
	size_t i;

	for (i = 0; route_conditions[i] != NULL; i++)
		if (conf_entry_find(s, route_conditions[i]) != NULL)
			return 0;
	return 1;
}

/* The sections of one pattern are tried together, where the first of them is. */
struct check_pattern {
	char *text;
	const struct conf_section *first;
	const struct conf_section *always; /* the one without conditions, or NULL */
};

static int
check_pattern_find(const void *a, const void *b)
{
	return strcmp(((const struct check_pattern *)a)->text,
	    ((const struct check_pattern *)b)->text);
}

/*
 * Does each login that the pattern p matches match q as well?  With the * of p taken for a letter, which only a *
 * of q can match, this is whether q matches p.  Regular expressions are not compared.
 */
static int
check_covers(const char *q, const char *p)
{
	struct wildcard_match match;

	if (strcmp(q, "*") == 0)
		return 1;
	return !login_pattern_is_regex(q) && !login_pattern_is_regex(p) &&
	    wildcard_find(q, p, &match);
}

static void
check_pattern_order(struct check *c, const struct check_pattern *v, size_t n)
{
	size_t i, j, compared = 0;

	for (i = 1; i < n; i++) {
		for (j = 0; j < i; j++) {
			if (v[j].always == NULL)
				continue;
			if (++compared > COMPARISONS_MAX) {
				conf_error(&c->notes, v[i].first->file, v[i].first->line,
				    "from here on, patterns are not compared with those before "
				    "them, which would take too long");
				return;
			}
			if (!check_covers(v[j].text, v[i].text))
				continue;
			conf_error(&c->notes, v[i].first->file, v[i].first->line,
			    "[route %.100s] is never used: [route %.100s] at %s:%u comes first and "
			    "matches the same logins; put it behind this one",
			    v[i].text, v[j].always->name, v[j].always->file, v[j].always->line);
			break;
		}
	}
}

static void
check_patterns(struct check *c)
{
	const struct conf *conf = c->conf;
	struct check_pattern *v, **found;
	const struct conf_section *s;
	void *tree = NULL;
	size_t i, n = 0;

	v = calloc(conf->n_routes + 1, sizeof(*v));
	if (v == NULL)
		fatal("out of memory");
	for (i = 0; i < conf->n_routes; i++) {
		s = &conf->routes[i];
		if (!login_pattern_is(s->name))
			continue;
		v[n].text = strndup(s->name, route_name_len(s->name));
		v[n].first = s;
		v[n].always = NULL;
		found = v[n].text == NULL ? NULL : tsearch(&v[n], &tree, check_pattern_find);
		if (found == NULL)
			fatal("out of memory");
		if (check_is_unconditional(s))
			(*found)->always = s;
		if (*found == &v[n])
			n++;
		else
			free(v[n].text);
	}
	check_pattern_order(c, v, n);
	while (n > 0) {
		(void)tdelete(&v[n - 1], &tree, check_pattern_find);
		free(v[--n].text);
	}
	free(v);
}

/* --- sections of one name with the same conditions --- */

/* What makes two sections the same: the name without the label, and the conditions. */
static char *
check_condition_text(const struct conf_section *s)
{
	const struct conf_entry *e;
	size_t len, i;
	char *text;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		fatal("out of memory");
	fprintf(f, "%.*s", (int)route_name_len(s->name), s->name);
	for (i = 0; route_conditions[i] != NULL; i++) {
		e = conf_entry_find(s, route_conditions[i]);
		fprintf(f, "\n%s", e == NULL ? "" : e->value);
	}
	if (fclose(f) != 0)
		fatal("out of memory");
	return text;
}

struct check_condition {
	char *text;
	const struct conf_section *s;
};

static int
check_condition_compare(const void *a, const void *b)
{
	const struct check_condition *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	return order != 0 ? order : x->s < y->s ? -1 : x->s > y->s;
}

static void
check_conditions_twice(struct check *c)
{
	const struct conf *conf = c->conf;
	struct check_condition *v;
	size_t i, n = 0;

	v = calloc(conf->n_routes + 1, sizeof(*v));
	if (v == NULL)
		fatal("out of memory");
	for (i = 0; i < conf->n_routes; i++)
		if (!check_is_unconditional(&conf->routes[i]))
			v[n++] = (struct check_condition){ check_condition_text(&conf->routes[i]),
				&conf->routes[i] };
	if (n > 1)
		qsort(v, n, sizeof(*v), check_condition_compare);
	for (i = 1; i < n; i++)
		if (strcmp(v[i].text, v[i - 1].text) == 0)
			conf_error(&c->notes, v[i].s->file, v[i].s->line,
			    "[route %.100s] is never used: [route %.100s] at %s:%u has the same "
			    "conditions and comes first",
			    v[i].s->name, v[i - 1].s->name, v[i - 1].s->file, v[i - 1].s->line);
	while (n > 0)
		free(v[--n].text);
	free(v);
}

/* --- a route for all, before other backends --- */

static void
check_backends_behind(struct check *c)
{
	const struct strlist *order = &c->conf->lookup.order;
	const struct conf_section *s;
	size_t i;

	if (strcmp(order->v[order->n - 1], "ini") == 0)
		return;
	for (i = 0; i < c->conf->n_routes; i++) {
		s = &c->conf->routes[i];
		if (strcmp(s->name, "*") == 0 && check_is_unconditional(s))
			conf_error(&c->notes, s->file, s->line,
			    "[route *] is for every login, so the backends that come after ini in "
			    "[lookup] Order are never asked; put ini last there");
	}
}

void
check_unreachable(struct check *c)
{
	if (!strlist_has(&c->conf->lookup.order, "ini"))
		return;
	check_patterns(c);
	check_conditions_twice(c);
	check_backends_behind(c);
}

/* --- files beside the *.ini --- */

/* Enough to find the first section, even after a long comment. */
#define HEAD_MAX (64 * 1024)

/* Has somebody put this file aside on purpose? */
static int
check_is_aside(const char *name)
{
	static const char *const ends[] = { "~", ".bak", ".old", ".orig", ".save", ".off",
		".disabled", ".sample", ".example" };
	size_t i, len = strlen(name);

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (len > strlen(ends[i]) && strcmp(name + len - strlen(ends[i]), ends[i]) == 0)
			return 1;
	return name[0] == '.' || strstr(name, ".dpkg-") != NULL || strstr(name, ".rpm") != NULL ||
	    strstr(name, ".ucf-") != NULL;
}

static int
check_has_sections(const char *text)
{
	static const char *const headers[] = { "[route ", "[gateway]", "[edge]", "[forward ",
		"[keystore]", "[lookup" };
	const char *line;
	size_t i;

	for (line = text; line != NULL; line = strchr(line, '\n')) {
		line += strspn(line, " \t\r\n");
		for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
			if (strncasecmp(line, headers[i], strlen(headers[i])) == 0)
				return 1;
	}
	return 0;
}

static int
check_looks_like_ini(int dir, const char *name)
{
	char text[HEAD_MAX];
	ssize_t n = -1;
	int fd;

	fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd != -1)
		n = read(fd, text, sizeof(text) - 1);
	fd_close(&fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return check_has_sections(text);
}

void
check_unread_files(struct check *c)
{
	const char *name, *dot;
	const struct dirent *d;
	DIR *dir = opendir(c->conf->dir);
	char *path;

	while (dir != NULL && (d = readdir(dir)) != NULL) {
		name = d->d_name;
		dot = strrchr(name, '.');
		if (check_is_aside(name) || (dot != NULL && strcmp(dot, ".ini") == 0) ||
		    !check_looks_like_ini(dirfd(dir), name))
			continue;
		if (asprintf(&path, "%s/%s", c->conf->dir, name) == -1)
			fatal("out of memory");
		conf_error(&c->notes, path, 0,
		    "is not read: of a configuration, only files *.ini are; rename it to %.*s.ini",
		    dot == NULL ? (int)strlen(name) : (int)(dot - name), name);
		free(path);
	}
	if (dir != NULL)
		closedir(dir);
}
