/*
 * Parsing and printing sections by keyword tables (keyword.h).  Called by conf/, by lookup/ for routes and
 * by the lookup backends.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/guess.h"
#include "base/log.h"
#include "conf/elsewhere.h"
#include "conf/keyword.h"

int
keyword_bad(struct reason *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reason_vset(why, fmt, ap);
	va_end(ap);
	return ERR_FORMAT;
}

const char *
keyword_guess(const char *word, const char *const *names, size_t n)
{
	unsigned int best = GUESS_START;
	const char *guess = NULL;
	size_t i;

	for (i = 0; i < n; i++)
		if (guess_closer(word, names[i], &best))
			guess = names[i];
	return guess;
}

/* A section's header, for messages: "[route alice]". */
static const char *
keyword_section_title(const struct conf_section *section, char out[128])
{
	snprintf(out, 128, "[%s%s%.100s]", section->kind, section->name[0] == '\0' ? "" : " ",
	    section->name);
	return out;
}

static const struct keyword *
keyword_find(const struct keyword *table, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcasecmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static void
keyword_unknown(const struct keyword *table, size_t n, const struct conf_section *section,
    const struct conf_entry *e, struct conf_errors *errors)
{
	const char *names[KEYWORDS_MAX], *guess;
	char title[128], out[64];
	size_t i;

	guess = elsewhere(section->kind, section->name, e->key, out);
	if (guess != NULL) {
		conf_error(errors, e->file, e->line, "unknown keyword \"%.60s\" in %s: %s", e->key,
		    keyword_section_title(section, title), guess);
		return;
	}
	for (i = 0; i < n && i < KEYWORDS_MAX; i++)
		names[i] = table[i].name;
	guess = keyword_guess(e->key, names, i);
	conf_error(errors, e->file, e->line, "unknown keyword \"%.60s\" in %s%s%s%s", e->key,
	    keyword_section_title(section, title), guess == NULL ? "" : " (did you mean ",
	    guess == NULL ? "" : guess, guess == NULL ? "" : "?)");
}

/* 1 if the value seems to have a comment with '#'.  After a value only ';' begins one. */
static int
keyword_value_has_hash(const char *value)
{
	const char *p;

	for (p = strchr(value, '#'); p != NULL; p = strchr(p + 1, '#'))
		if (p == value || p[-1] == ' ' || p[-1] == '\t')
			return 1;
	return 0;
}

static void
keyword_set(const struct keyword *kw, const struct conf_entry *e, void *target,
    struct keyword_ctx *ctx, struct conf_errors *errors)
{
	if (e->value[0] == '\0') {
		conf_error(errors, e->file, e->line, "%s has no value", kw->name);
		return;
	}
	if (!(kw->flags & KEYWORD_HASH) && keyword_value_has_hash(e->value)) {
		conf_error(errors, e->file, e->line,
		    "%s: '#' begins a comment only at the start of a line; after a value write ';'",
		    kw->name);
		return;
	}
	ctx->why.text[0] = '\0';
	switch (kw->type->set(kw, (char *)target + kw->offset, e->value, ctx)) {
	case 0:
		return;
	case ERR_NOMEM:
		conf_error(errors, e->file, e->line, "out of memory");
		return;
	default:
		conf_error(errors, e->file, e->line, "%s: %s", kw->name, ctx->why.text);
	}
}

static void
keyword_twice(const struct keyword *kw, const struct conf_entry *first, const struct conf_entry *e,
    struct conf_errors *errors)
{
	if (strcmp(first->file, e->file) == 0)
		conf_error(errors, e->file, e->line, "%s is already set in line %u", kw->name,
		    first->line);
	else
		conf_error(errors, e->file, e->line, "%s is already set at %s:%u", kw->name,
		    first->file, first->line);
}

static void
keyword_fill(const struct keyword *table, size_t n, const struct conf_entry *const *seen,
    void *target, struct keyword_ctx *ctx)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (table[i].value == NULL || seen[i] != NULL)
			continue;
		if (table[i].type->set(&table[i], (char *)target + table[i].offset, table[i].value,
			ctx) != 0)
			fatal("default of %s: %s", table[i].name,
			    ctx->why.text[0] == '\0' ? "out of memory" : ctx->why.text);
	}
}

void
keyword_parse(const struct keyword *table, size_t n, const struct conf_section *section,
    void *target, struct keyword_ctx *ctx, struct conf_errors *errors)
{
	const struct conf_entry *seen[KEYWORDS_MAX] = { NULL };
	const struct keyword *kw;
	const struct conf_entry *e;
	size_t i;

	for (i = 0; i < section->n; i++) {
		e = &section->entries[i];
		kw = keyword_find(table, n, e->key);
		if (kw == NULL) {
			keyword_unknown(table, n, section, e, errors);
			continue;
		}
		if (kw->type == NULL) {
			conf_error(errors, e->file, e->line, "%s is not supported yet", kw->name);
			continue;
		}
		if (seen[kw - table] != NULL && !(kw->flags & KEYWORD_REPEAT)) {
			keyword_twice(kw, seen[kw - table], e, errors);
			continue;
		}
		seen[kw - table] = e;
		keyword_set(kw, e, target, ctx, errors);
	}
	keyword_fill(table, n, seen, target, ctx);
}

void
keyword_clear(const struct keyword *table, size_t n, void *target)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (table[i].type != NULL && table[i].type->clear != NULL)
			table[i].type->clear((char *)target + table[i].offset);
}

void
keyword_dump(const struct keyword *table, size_t n, const void *target, FILE *to)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (table[i].type != NULL)
			table[i].type->print(&table[i], (const char *)target + table[i].offset, to);
}
