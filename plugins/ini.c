/*
 * The lookup backend "ini": the [route] sections of conf.d.  Exact names are
 * found by hash, patterns are tried in the order they are written.
 *
 * A route is made when it is asked for: 100,000 of them ready in memory would
 * take as much again as the sections they come from.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lookup/plugin.h"

struct ini {
	const struct conf *conf;
	uint32_t *table; /* open addressing: index into conf->routes, plus one */
	size_t size;	 /* a power of two, at least twice what is in it */
	const struct conf_section **patterns;
	size_t n_patterns;
};

/* FNV-1a.  What a client asks for finds its place or an empty one; it can't add any. */
static size_t
hash(const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3;
	return (size_t)(h ^ (h >> 32));
}

static size_t
ini_slot(const struct ini *ini, const char *name)
{
	size_t i;

	for (i = hash(name) & (ini->size - 1); ini->table[i] != 0; i = (i + 1) & (ini->size - 1))
		if (strcmp(ini->conf->routes[ini->table[i] - 1].name, name) == 0)
			break;
	return i;
}

static void
ini_free(void *self)
{
	struct ini *ini = self;

	if (ini == NULL)
		return;
	free(ini->table);
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
	ini->patterns = calloc(conf->n_routes + 1, sizeof(struct conf_section *));
	if (ini->table == NULL || ini->patterns == NULL) {
		ini_free(ini);
		return NULL;
	}
	return ini;
}

static int
ini_new(const struct conf *conf, const struct conf_section *section, struct conf_errors *errors,
    void **self)
{
	const struct conf_section *s;
	struct ini *ini = ini_alloc(conf);
	struct route *route;
	size_t i, before = errors->n;

	if (ini == NULL) {
		conf_error(errors, conf->dir, 0, "out of memory");
		return ERR_CONFIG;
	}
	if (section != NULL && section->n > 0)
		conf_error(errors, section->entries[0].file, section->entries[0].line,
		    "[lookup ini] has no keys: its routes are the [route] sections");
	for (i = 0; i < conf->n_routes; i++) {
		s = &conf->routes[i];
		if (route_new(conf, s, errors, &route) != 0)
			continue;
		route_unref(&route);
		if (wildcard_stars(s->name) > 0)
			ini->patterns[ini->n_patterns++] = s;
		else
			ini->table[ini_slot(ini, s->name)] = (uint32_t)i + 1;
	}
	if (errors->n != before) {
		ini_free(ini);
		return ERR_CONFIG;
	}
	*self = ini;
	return 0;
}

static const struct conf_section *
ini_section(const struct ini *ini, const char *login, struct wildcard_match *match)
{
	uint32_t exact = ini->table[ini_slot(ini, login)];
	size_t i;

	if (exact != 0) {
		*match = (struct wildcard_match){ .login = login };
		return &ini->conf->routes[exact - 1];
	}
	for (i = 0; i < ini->n_patterns; i++)
		if (wildcard_find(ini->patterns[i]->name, login, match))
			return ini->patterns[i];
	return NULL;
}

static enum plugin_result
ini_find(void *self, const struct lookup_request *request, struct route **out,
    char why[PLUGIN_WHY_SIZE])
{
	const struct ini *ini = self;
	const struct conf_section *s;
	struct conf_errors errors = { 0 };
	struct wildcard_match match;
	struct route *route;
	int err;

	s = ini_section(ini, request->login, &match);
	if (s == NULL)
		return PLUGIN_NEXT;
	err = route_new(ini->conf, s, &errors, &route);
	conf_errors_free(&errors);
	if (err != 0) {
		snprintf(why, PLUGIN_WHY_SIZE, "%s:%u: out of memory", s->file, s->line);
		return PLUGIN_FAILED;
	}
	err = route_expand(ini->conf, route, &match, why);
	if (err != 0) {
		route_unref(&route);
		return err == ERR_FORMAT ? PLUGIN_NOT_FOUND : PLUGIN_FAILED;
	}
	*out = route;
	return PLUGIN_FOUND;
}

const struct lookup_plugin plugin_ini = {
	.name = "ini",
	.new = ini_new,
	.find = ini_find,
	.free = ini_free,
};
