/*
 * Routes that are not sections of conf.d: files of the directory backend, and the output of lookup programs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/strlist.h"
#include "conf/arena.h"
#include "conf/reader.h"
#include "lookup/plugin.h"
#include "lookup/route_text.h"

static int
route_text_begin(struct route_text *t)
{
	if (t->arena == NULL)
		t->arena = arena_new();
	return t->arena == NULL ? ERR_NOMEM : 0;
}

/* A copy of the entries with room for n more; NULL: out of memory. */
static struct conf_entry *
route_text_room(struct route_text *t, size_t n)
{
	struct conf_entry *entries = arena_take(t->arena, (t->n + n) * sizeof(*entries));

	if (entries != NULL && t->n > 0)
		memcpy(entries, t->entries, t->n * sizeof(*entries));
	return entries;
}

int
route_text_read(struct route_text *t, const struct route_origin *origin, const char *text,
    size_t len)
{
	const struct conf_section *s;
	struct conf_entry *entries;
	struct reader *reader;
	int err = ERR_NOMEM;
	size_t n;

	if (route_text_begin(t) != 0)
		return ERR_NOMEM;
	reader = reader_new(t->arena, CONF_ALL, &t->errors);
	if (reader == NULL)
		return ERR_NOMEM;
	reader_route(reader, origin->source, origin->login, text, len);
	s = reader_sections(reader, &n);
	if (n == 1) {
		entries = route_text_room(t, s->n);
		if (entries != NULL) {
			if (s->n > 0)
				memcpy(entries + t->n, s->entries, s->n * sizeof(*entries));
			t->entries = entries;
			t->n += s->n;
			err = 0;
		}
	}
	reader_free(&reader);
	return err;
}

int
route_text_add(struct route_text *t, const struct route_origin *origin, const char *key,
    const char *value)
{
	struct conf_section s = { .entries = t->entries, .n = t->n };
	struct conf_entry *entries;

	if (conf_entry_find(&s, key) != NULL)
		return 0;
	if (route_text_begin(t) != 0)
		return ERR_NOMEM;
	entries = route_text_room(t, 1);
	if (entries == NULL)
		return ERR_NOMEM;
	t->entries = entries;
	entries[t->n] = (struct conf_entry){
		.key = arena_text(t->arena, key, strlen(key)),
		.value = arena_text(t->arena, value, strlen(value)),
		.file = origin->source,
		.line = 1, /* with 0 the errors would have no line */
	};
	if (entries[t->n].key == NULL || entries[t->n].value == NULL)
		return ERR_NOMEM;
	t->n++;
	return 0;
}

/* Set why to the first error, for the log. */
static void
route_text_reason(const struct conf_errors *errors, const char *source, struct reason *why)
{
	const struct conf_error *e = errors->v;

	if (errors->n == 0)
		reason_set(why, "out of memory");
	else if (e->line == 0)
		reason_set(why, "%.120s: %s", source, e->text);
	else
		reason_set(why, "%.120s:%u: %s", source, e->line, e->text);
}

int
route_text_make(const struct conf *conf, struct route_text *t, const struct route_origin *origin,
    struct route **out, struct reason *why)
{
	struct conf_section s = { .kind = (char[]){ "route" },
		.file = origin->source,
		.entries = t->entries,
		.n = t->n };
	struct wildcard_match match = { .login = origin->login };
	struct conf local = *conf;
	struct route *r = NULL;
	int err = ERR_FORMAT;

	*out = NULL;
	local.transient = 1;
	s.name = strdup(origin->login);
	if (origin->base != NULL)
		local.base = strdup(origin->base);
	if (s.name == NULL || local.base == NULL)
		err = ERR_NOMEM;
	else if (t->errors.n == 0)
		(void)!route_new_with(&local, &s, origin->key_file, &t->errors, &r);
	if (r == NULL) {
		route_text_reason(&t->errors, origin->source, why);
	} else {
		err = route_expand(&local, r, &match, why);
		if (err == 0)
			*out = r;
		else
			route_free(&r);
		if (err == ERR_NOMEM)
			reason_set(why, "out of memory");
	}
	if (origin->base != NULL)
		free(local.base);
	free(s.name);
	route_text_free(t);
	return err;
}

void
route_text_free(struct route_text *t)
{
	conf_errors_free(&t->errors);
	arena_free(&t->arena);
	*t = (struct route_text){ 0 };
}
