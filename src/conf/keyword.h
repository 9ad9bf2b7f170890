/*
 * Keyword tables: the keys of a section, the type of each value, the field it is stored in, and its default.
 * One table drives parsing, defaults, freeing, `check --dump`, and is tested against the manual.
 */
#ifndef CONF_KEYWORD_H
#define CONF_KEYWORD_H

#include "base/reason.h"
#include "conf/conf.h"

struct keyword;

/* What a value is parsed with; why says what is wrong with it. */
struct keyword_ctx {
	const struct conf *conf;
	unsigned int captures; /* the number of * in the name of a [route] */
	struct reason why;
};

struct keyword_type {
	/* Parse value (not empty) into field.  0, ERR_FORMAT with ctx->why, or ERR_NOMEM. */
	int (*set)(const struct keyword *kw, void *field, const char *value,
	    struct keyword_ctx *ctx);
	/* Print "Name = value" lines that can be read again; none if the key is not set. */
	void (*print)(const struct keyword *kw, const void *field, FILE *to);
	void (*clear)(void *field); /* free what set made; NULL: nothing to free */
};

enum keyword_flag {
	KEYWORD_REPEAT = 1 << 0, /* may be written several times */
	KEYWORD_NONE = 1 << 1,	 /* "none" is accepted: 0 for a number or time; a path keeps it */
	KEYWORD_HASH = 1 << 2,	 /* " #" is part of the value, not a mistaken comment */
};

struct keyword {
	const char *name;
	const struct keyword_type *type; /* NULL: a key of a later version, refused until then */
	size_t offset;
	const char *value;	    /* default, as it would be written, or NULL */
	const char *const *choices; /* of keyword_choice and keyword_name; ends with NULL */
	/* Is this word (or line) good?  0, or ERR_FORMAT with why. */
	int (*check)(const char *word, struct reason *why);
	long min, max; /* of a number, or of a time in ms; max 0: no limit */
	unsigned int flags;
};

#define KEYWORD_MASK_SET (1 << 30) /* of keyword_mask: also for the word "none" */

#define KEYWORDS_MAX 96 /* in one table */

extern const struct keyword_type keyword_int; /* int */
extern const struct keyword_type
    keyword_time; /* int: milliseconds; 0: none, or without a default not written */
extern const struct keyword_type keyword_port;	 /* uint16_t */
extern const struct keyword_type keyword_choice; /* enum or int: index of the choice */
extern const struct keyword_type keyword_name; /* char *: the choice, in the table's letter case */
/* int: a bit for each of the choices that are written, from bit 0 on, and KEYWORD_MASK_SET; 0: not written */
extern const struct keyword_type keyword_mask;
extern const struct keyword_type keyword_string; /* char * */
extern const struct keyword_type keyword_path;	 /* char *: resolved */
extern const struct keyword_type keyword_words;	 /* struct strlist, no word twice */
extern const struct keyword_type keyword_paths;	 /* struct strlist: resolved */
extern const struct keyword_type keyword_lines;	 /* struct strlist: each value is one element */
extern const struct keyword_type keyword_rekey;	 /* struct conf_rekey */
/* Lists of algorithms, of the kind in the keyword's min (wire/algorithms.h). */
extern const struct keyword_type keyword_algorithms; /* char *; NULL stands for the default */

/* Set *field, which is freed, to an expanded list: algorithms_expand().  0, ERR_FORMAT or ERR_NOMEM. */
int keyword_expand_algorithms(int kind, const char *list, const char *within, char **field,
    struct reason *why);

/*
 * Parse the entries of a section into target, then set the keys that are not in it to their defaults.
 * Everything wrong is added to errors.
 */
void keyword_parse(const struct keyword *table, size_t n, const struct conf_section *section,
    void *target, struct keyword_ctx *ctx, struct conf_errors *errors);

void keyword_clear(const struct keyword *table, size_t n, void *target);
void keyword_dump(const struct keyword *table, size_t n, const void *target, FILE *to);

/* Is this path one that can be meant?  A check for paths. */
int keyword_check_path(const char *path, struct reason *why);

/* Put the text into why; returns ERR_FORMAT. */
int keyword_bad(struct reason *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The name that differs from word by at most two letters, for "did you mean", or NULL. */
const char *keyword_guess(const char *word, const char *const *names, size_t n);

#endif
