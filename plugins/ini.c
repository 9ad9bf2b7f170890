/*
 * The lookup backend "ini": the [route] sections of conf.d.  Exact names are found by a hash table, patterns
 * (with a *, and regular expressions) are tried in the order in which they are written.  Of the sections of one name, those with a label
 * ([route NAME/LABEL]) come before the plain one; lookup/condition_index.h finds those that may be meant.
 *
 * A route is made at each lookup: 100,000 ready routes would double the memory of their sections.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lookup/plugin.h"

/* The sections of one name, as indexes into conf->routes plus one; 0 stands for none. */
struct ini_group {
	uint32_t labelled;	       /* the first section with a label */
	uint32_t plain;		       /* the section without one */
	struct login_pattern *pattern; /* NULL: the name is a login */
};

struct ini {
	const struct conf *conf;
	uint32_t *table; /* open addressing: indexes into groups plus one */
	size_t size;	 /* of the table: a power of two, at least twice the number of groups */
	struct ini_group *groups;
	size_t n_groups;
	struct condition_index *labels; /* the sections with a label */
	uint32_t *patterns; /* indexes of the groups with a pattern, in the order of the files */
	size_t n_patterns;
};

/* FNV-1a.  It need not withstand chosen logins, because a lookup adds nothing to the table. */
static size_t
ini_hash(const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 0x100000001b3;
	return (size_t)(h ^ (h >> 32));
}

/* Any of the sections of a group: all have its name. */
static const struct conf_section *
ini_group_section(const struct ini *ini, const struct ini_group *g)
{
	return &ini->conf->routes[(g->plain != 0 ? g->plain : g->labelled) - 1];
}

static size_t
ini_slot(const struct ini *ini, const char *name, size_t len)
{
	const char *other;
	size_t i;

	for (i = ini_hash(name, len) & (ini->size - 1); ini->table[i] != 0;
	     i = (i + 1) & (ini->size - 1)) {
		other = ini_group_section(ini, &ini->groups[ini->table[i] - 1])->name;
		if (route_name_len(other) == len && memcmp(other, name, len) == 0)
			break;
	}
	return i;
}

static void
ini_free(void *self)
{
	struct ini *ini = self;
	size_t i;

	if (ini == NULL)
		return;
	for (i = 0; i < ini->n_groups; i++)
		login_pattern_free(&ini->groups[i].pattern);
	free(ini->table);
	free(ini->groups);
	condition_index_free(&ini->labels);
	free(ini->patterns);
	free(ini);
}

static struct ini *
ini_alloc(const struct conf *conf)
{
	struct ini *ini = calloc(1, sizeof(*ini));

	if (ini == NULL)
		return NULL;
	ini->conf = conf;
	for (ini->size = 16; ini->size < conf->n_routes * 2; ini->size *= 2)
		;
	ini->table = calloc(ini->size, sizeof(*ini->table));
	ini->groups = calloc(conf->n_routes + 1, sizeof(*ini->groups));
	ini->patterns = calloc(conf->n_routes + 1, sizeof(*ini->patterns));
	if (ini->table == NULL || ini->groups == NULL || ini->patterns == NULL ||
	    condition_index_new(&ini->labels) != 0) {
		ini_free(ini);
		return NULL;
	}
	return ini;
}

/* Put section i, with its route, into the group of its name.  0 or ERR_NOMEM. */
static int
ini_add(struct ini *ini, uint32_t i, const struct route *route)
{
	const char *name = ini->conf->routes[i].name;
	size_t len = route_name_len(name), slot = ini_slot(ini, name, len);
	struct ini_group *g;
	struct reason why;

	if (ini->table[slot] == 0) {
		g = &ini->groups[ini->n_groups++];
		ini->table[slot] = (uint32_t)ini->n_groups;
		if (login_pattern_is(name)) {
			ini->patterns[ini->n_patterns++] = (uint32_t)ini->n_groups - 1;
			/* route_new() has found its mistakes */
			if (login_pattern_new(name, &g->pattern, &why) != 0)
				return ERR_NOMEM;
		}
	}
	g = &ini->groups[ini->table[slot] - 1];
	if (route_name_label(name) == NULL) {
		g->plain = i + 1;
		return 0;
	}
	if (g->labelled == 0)
		g->labelled = i + 1;
	return condition_index_add(ini->labels, ini->table[slot], i + 1, route);
}

static int
ini_new(const struct conf *conf, const struct conf_section *section, struct conf_errors *errors,
    void **self)
{
	struct ini *ini = ini_alloc(conf);
	struct route *route;
	size_t i, before = errors->n;
	int err;

	if (ini == NULL) {
		conf_error(errors, conf->dir, 0, "out of memory");
		return ERR_CONFIG;
	}
	if (section != NULL && section->n > 0)
		conf_error(errors, section->entries[0].file, section->entries[0].line,
		    "[lookup ini] has no keywords: its routes are the [route] sections");
	for (i = 0; i < conf->n_routes; i++) {
		if (route_new(conf, &conf->routes[i], errors, &route) != 0)
			continue;
		err = ini_add(ini, (uint32_t)i, route);
		route_free(&route);
		if (err != 0) {
			conf_error(errors, conf->dir, 0, "out of memory");
			break;
		}
	}
	if (errors->n != before) {
		ini_free(ini);
		return ERR_CONFIG;
	}
	*self = ini;
	return 0;
}

/* The route of one section, if it matches the request. */
static enum plugin_result
ini_try(const struct ini *ini, const struct conf_section *s, const struct wildcard_match *match,
    const struct lookup_request *request, struct route **out, struct reason *why)
{
	struct wildcard_match found = *match;
	struct conf_errors errors = { 0 };
	struct route *route;
	int err;

	found.host = request->host;
	err = route_new(ini->conf, s, &errors, &route);
	conf_errors_free(&errors);
	if (err != 0) {
		reason_set(why, "%s:%u: out of memory", s->file, s->line);
		return PLUGIN_FAILED;
	}
	if (!route_matches(route, request)) {
		route_free(&route);
		return PLUGIN_NEXT;
	}
	err = route_expand(ini->conf, route, &found, why);
	if (err != 0) {
		route_free(&route);
		return err == ERR_FORMAT ? PLUGIN_NOT_FOUND : PLUGIN_FAILED;
	}
	*out = route;
	return PLUGIN_FOUND;
}

/* Another key might have led to one of the sections before this one (0: to any of the group). */
static void
ini_note_keys(const struct ini *ini, uint32_t group, uint32_t before,
    const struct lookup_request *request)
{
	struct condition_walk walk;
	struct conf_errors errors = { 0 };
	struct route *route;
	uint32_t i;

	condition_walk_keys(&walk, ini->labels, group);
	while (request->by_key != NULL && *request->by_key != LOOKUP_WANTS_KEY &&
	    (i = condition_walk_next(&walk)) != 0 && (before == 0 || i < before)) {
		if (route_new(ini->conf, &ini->conf->routes[i - 1], &errors, &route) != 0)
			break;
		if (route_wants_key(route, request))
			*request->by_key = LOOKUP_WANTS_KEY;
		route_free(&route);
	}
	conf_errors_free(&errors);
}

static enum plugin_result
ini_try_group(const struct ini *ini, const struct ini_group *g, const struct wildcard_match *match,
    const struct lookup_request *request, struct route **out, struct reason *why)
{
	const uint32_t group = (uint32_t)(g - ini->groups) + 1;
	enum plugin_result result = PLUGIN_NEXT;
	struct condition_walk walk;
	uint32_t i = 0;

	if (g->labelled != 0) {
		condition_walk_begin(&walk, ini->labels, group, request);
		while (result == PLUGIN_NEXT && (i = condition_walk_next(&walk)) != 0)
			result = ini_try(ini, &ini->conf->routes[i - 1], match, request, out, why);
		ini_note_keys(ini, group, i, request);
	}
	if (g->plain != 0 && result == PLUGIN_NEXT)
		result = ini_try(ini, &ini->conf->routes[g->plain - 1], match, request, out, why);
	return result;
}

/* The same for a pattern, if the login matches it. */
static enum plugin_result
ini_try_pattern(const struct ini *ini, const struct ini_group *g,
    const struct lookup_request *request, struct route **out, struct reason *why)
{
	const struct conf_section *s = ini_group_section(ini, g);
	struct wildcard_match match;
	struct reason unknown;
	int found = login_pattern_find(g->pattern, request->login, &match, &unknown);

	if (found == 1)
		return ini_try_group(ini, g, &match, request, out, why);
	if (found == 0)
		return PLUGIN_NEXT;
	/* it may be the first that matches, so none behind it is tried */
	reason_set(why, "%s:%u: %s", s->file, s->line, unknown.text);
	return PLUGIN_FAILED;
}

static enum plugin_result
ini_find(void *self, const struct lookup_request *request, struct route **out, struct reason *why)
{
	const struct ini *ini = self;
	struct wildcard_match match = { .login = request->login };
	enum plugin_result result = PLUGIN_NEXT;
	uint32_t exact;
	size_t i;

	exact = ini->table[ini_slot(ini, request->login, strlen(request->login))];
	if (exact != 0 && ini->groups[exact - 1].pattern == NULL)
		result = ini_try_group(ini, &ini->groups[exact - 1], &match, request, out, why);
	for (i = 0; i < ini->n_patterns && result == PLUGIN_NEXT; i++)
		result = ini_try_pattern(ini, &ini->groups[ini->patterns[i]], request, out, why);
	return result;
}

const struct lookup_plugin plugin_ini = {
	.name = "ini",
	.new = ini_new,
	.find = ini_find,
	.free = ini_free,
};
