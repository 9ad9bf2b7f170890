/*
 * Parsing and printing sections by keyword tables (keyword.h).  Called by conf/, by lookup/ for routes and
 * by the lookup backends.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "conf/elsewhere.h"
#include "conf/keyword.h"

/* The longest word for which "did you mean" is computed. */
#define GUESS_LEN 40

int
keyword_bad(struct reason *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reason_vset(why, fmt, ap);
	va_end(ap);
	return ERR_FORMAT;
}

/* Levenshtein distance of two short words, case ignored. */
static unsigned int
keyword_distance(const char *a, const char *b)
{
	unsigned int row[GUESS_LEN + 1], above, left, best;
	size_t i, j, la = strlen(a), lb = strlen(b);

	if (la > GUESS_LEN || lb > GUESS_LEN)
		return UINT32_MAX;
	for (j = 0; j <= lb; j++)
		row[j] = (unsigned int)j;
	for (i = 1; i <= la; i++) {
		above = row[0];
		row[0] = (unsigned int)i;
		for (j = 1; j <= lb; j++) {
			left = row[j - 1];
			best = above + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
			if (left + 1 < best)
				best = left + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			above = row[j];
			row[j] = best;
		}
	}
	return row[lb];
}

const char *
keyword_guess(const char *word, const char *const *names, size_t n)
{
	const char *guess = NULL;
	unsigned int d, best = 3;
	size_t i;

	for (i = 0; i < n; i++) {
		d = keyword_distance(word, names[i]);
		if (d < best && d * 2 < strlen(names[i])) {
			best = d;
			guess = names[i];
		}
	}
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
