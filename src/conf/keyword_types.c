/*
 * The types of values that several sections have: numbers, times, ports, choices, texts, paths, lists.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/keyword.h"

/* --- single values --- */

int
conf_seconds(const char *value, int64_t *seconds)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	int64_t total = 0, n, unit;
	const char *p = value;
	size_t i;

	*seconds = 0;
	if (*p == '\0')
		return ERR_FORMAT;
	while (*p != '\0') {
		if (*p < '0' || *p > '9')
			return ERR_FORMAT;
		for (n = 0; *p >= '0' && *p <= '9'; p++) {
			n = n * 10 + (*p - '0');
			if (n > INT_MAX)
				return ERR_FORMAT;
		}
		unit = *p == '\0' ? 1 : 0;
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (*p != '\0' && (*p | 0x20) == units[i].unit)
				unit = units[i].seconds;
		}
		if (unit == 0)
			return ERR_FORMAT;
		if (*p != '\0')
			p++;
		total += n * unit;
		if (total > CONF_SECONDS_MAX)
			return ERR_FORMAT;
	}
	*seconds = total;
	return 0;
}

int
conf_time(const char *value, int *ms)
{
	int64_t seconds;

	*ms = 0;
	if (strcasecmp(value, "none") == 0)
		return 0;
	if (conf_seconds(value, &seconds) != 0 || seconds > INT_MAX / 1000)
		return ERR_FORMAT;
	*ms = (int)(seconds * 1000);
	return 0;
}

int
conf_port(const char *value, uint16_t *port)
{
	unsigned int n = 0;
	const char *p;

	*port = 0;
	for (p = value; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (unsigned int)(*p - '0');
		if (n > UINT16_MAX)
			return ERR_FORMAT;
	}
	if (p == value || *p != '\0' || n == 0)
		return ERR_FORMAT;
	*port = (uint16_t)n;
	return 0;
}

int
conf_ports_have(const struct strlist *ports, uint32_t port)
{
	uint16_t one;
	size_t i;

	for (i = 0; i < ports->n; i++)
		if (conf_port(ports->v[i], &one) == 0 && one == port)
			return 1;
	return ports->n == 0;
}

/* --- types --- */

/* A value in an error message, cut after 80 bytes. */
#define KEYWORD_SHOWN "\"%.80s\""

static void
keyword_clear_text(void *field)
{
	char **p = field;

	free(*p);
	*p = NULL;
}

static void
keyword_clear_list(void *field)
{
	strlist_free(field);
}

static void
keyword_print_text(const struct keyword *kw, const void *field, FILE *to)
{
	char *const *p = field;

	if (*p != NULL)
		fprintf(to, "%s = %s\n", kw->name, *p);
}

static void
keyword_print_words(const struct keyword *kw, const void *field, FILE *to)
{
	const struct strlist *l = field;
	size_t i;

	if (l->n == 0)
		return;
	fprintf(to, "%s =", kw->name);
	for (i = 0; i < l->n; i++)
		fprintf(to, " %s", l->v[i]);
	fputc('\n', to);
}

static int
keyword_set_int(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	size_t len = strlen(value);
	long n;

	if ((kw->flags & KEYWORD_NONE) && strcasecmp(value, "none") == 0) {
		*(int *)field = 0;
		return 0;
	}
	n = len > 9 || strspn(value, "0123456789") != len ? -1 : atol(value);
	if (n < kw->min || n > kw->max)
		return keyword_bad(&ctx->why, KEYWORD_SHOWN " is not a number from %ld to %ld%s",
		    value, kw->min, kw->max, kw->flags & KEYWORD_NONE ? " or none" : "");
	*(int *)field = (int)n;
	return 0;
}

static void
keyword_print_int(const struct keyword *kw, const void *field, FILE *to)
{
	int n = *(const int *)field;

	if (n == 0 && (kw->flags & KEYWORD_NONE))
		fprintf(to, "%s = none\n", kw->name);
	else
		fprintf(to, "%s = %d\n", kw->name, n);
}

const struct keyword_type keyword_int = { keyword_set_int, keyword_print_int, NULL };

#define TIME_BOUND_SIZE 24

/* A bound of a time, in the largest unit in which it is a whole number: 30s, 1h, 14d. */
static const char *
keyword_time_bound(long ms, char out[TIME_BOUND_SIZE])
{
	static const struct {
		long seconds;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	const long seconds = ms / 1000;
	size_t i = 0;

	while (seconds % units[i].seconds != 0)
		i++;
	snprintf(out, TIME_BOUND_SIZE, "%ld%c", seconds / units[i].seconds, units[i].unit);
	return out;
}

static int
keyword_set_time(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	char bound[TIME_BOUND_SIZE];
	int ms;

	if (conf_time(value, &ms) != 0)
		return keyword_bad(&ctx->why,
		    KEYWORD_SHOWN " is not a time: write 30s, 5m, 1h30m%s, at most %s", value,
		    kw->min == 0 || kw->flags & KEYWORD_NONE ? " or none" : "",
		    kw->max != 0 ? keyword_time_bound(kw->max, bound) : "24 days");
	if (ms < kw->min && (ms != 0 || (kw->flags & KEYWORD_NONE) == 0))
		return keyword_bad(&ctx->why, KEYWORD_SHOWN " is too short: at least %s", value,
		    keyword_time_bound(kw->min, bound));
	if (kw->max != 0 && ms > kw->max)
		return keyword_bad(&ctx->why, KEYWORD_SHOWN " is too long: at most %s", value,
		    keyword_time_bound(kw->max, bound));
	*(int *)field = ms;
	return 0;
}

static void
keyword_print_time(const struct keyword *kw, const void *field, FILE *to)
{
	int ms = *(const int *)field;

	if (ms == 0 && kw->value == NULL)
		return;
	if (ms == 0)
		fprintf(to, "%s = none\n", kw->name);
	else
		fprintf(to, "%s = %ds\n", kw->name, ms / 1000);
}

const struct keyword_type keyword_time = { keyword_set_time, keyword_print_time, NULL };

static int
keyword_set_port(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	if (conf_port(value, field) != 0)
		return keyword_bad(&ctx->why, KEYWORD_SHOWN " is not a port: 1 to 65535", value);
	return 0;
}

static void
keyword_print_port(const struct keyword *kw, const void *field, FILE *to)
{
	fprintf(to, "%s = %u\n", kw->name, *(const uint16_t *)field);
}

const struct keyword_type keyword_port = { keyword_set_port, keyword_print_port, NULL };

/* The index of the choice that the value names, or -1 with why. */
static int
keyword_choice_find(const struct keyword *kw, const char *value, struct reason *why)
{
	size_t i;

	for (i = 0; kw->choices[i] != NULL; i++)
		if (strcasecmp(kw->choices[i], value) == 0)
			return (int)i;
	keyword_bad(why, KEYWORD_SHOWN " is none of:", value);
	for (i = 0; kw->choices[i] != NULL; i++)
		reason_add(why, " %s", kw->choices[i]);
	return -1;
}

static int
keyword_set_choice(const struct keyword *kw, void *field, const char *value,
    struct keyword_ctx *ctx)
{
	int i = keyword_choice_find(kw, value, &ctx->why);

	if (i == -1)
		return ERR_FORMAT;
	*(int *)field = i;
	return 0;
}

static void
keyword_print_choice(const struct keyword *kw, const void *field, FILE *to)
{
	fprintf(to, "%s = %s\n", kw->name, kw->choices[*(const int *)field]);
}

const struct keyword_type keyword_choice = { keyword_set_choice, keyword_print_choice, NULL };

/* The bit of a word of keyword_mask, or 0 with why. */
static int
keyword_mask_bit(const struct keyword *kw, const char *word, struct reason *why)
{
	int choice;

	if (strcasecmp(word, "none") == 0) {
		keyword_bad(why, "none must be the only value");
		return 0;
	}
	choice = keyword_choice_find(kw, word, why);
	if (choice == -1)
		reason_add(why, ", with blanks or commas between them, or none");
	return choice == -1 ? 0 : 1 << choice;
}

/* The words of a value, with blanks, commas or both between them. */
static int
keyword_mask_words(struct strlist *words, const char *value)
{
	char *blanks = strdup(value), *comma;
	int err;

	if (blanks == NULL)
		return ERR_NOMEM;
	for (comma = blanks; (comma = strchr(comma, ',')) != NULL;)
		*comma = ' ';
	err = strlist_add_words(words, blanks);
	free(blanks);
	return err;
}

static int
keyword_set_mask(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	struct strlist words = { 0 };
	int *mask = field, bit, err;
	size_t i;

	*mask = KEYWORD_MASK_SET;
	if (strcasecmp(value, "none") == 0)
		return 0;
	err = keyword_mask_words(&words, value);
	for (i = 0; err == 0 && i < words.n; i++) {
		bit = keyword_mask_bit(kw, words.v[i], &ctx->why);
		if (bit == 0)
			err = ERR_FORMAT;
		else if ((*mask & bit) != 0)
			err = keyword_bad(&ctx->why, KEYWORD_SHOWN " is given twice", words.v[i]);
		*mask |= bit;
	}
	strlist_free(&words);
	return err;
}

static void
keyword_print_mask(const struct keyword *kw, const void *field, FILE *to)
{
	int mask = *(const int *)field;
	size_t i;

	if (mask == 0)
		return;
	fprintf(to, "%s =%s", kw->name, mask == KEYWORD_MASK_SET ? " none" : "");
	for (i = 0; kw->choices[i] != NULL; i++)
		if ((mask & 1 << i) != 0)
			fprintf(to, " %s", kw->choices[i]);
	fputc('\n', to);
}

const struct keyword_type keyword_mask = { keyword_set_mask, keyword_print_mask, NULL };

static int
keyword_set_text(char **field, const char *value)
{
	free(*field);
	*field = strdup(value);
	return *field == NULL ? ERR_NOMEM : 0;
}

static int
keyword_set_name(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	int i = keyword_choice_find(kw, value, &ctx->why);

	return i == -1 ? ERR_FORMAT : keyword_set_text(field, kw->choices[i]);
}

const struct keyword_type keyword_name = { keyword_set_name, keyword_print_text,
	keyword_clear_text };

static int
keyword_set_string(const struct keyword *kw, void *field, const char *value,
    struct keyword_ctx *ctx)
{
	if (kw->check != NULL && kw->check(value, &ctx->why) != 0)
		return ERR_FORMAT;
	return keyword_set_text(field, value);
}

const struct keyword_type keyword_string = { keyword_set_string, keyword_print_text,
	keyword_clear_text };

int
keyword_check_path(const char *path, struct reason *why)
{
	if (path[0] == '"' || path[0] == '\'')
		return keyword_bad(why, "a path is written without quotes");
	if (path[0] == '~')
		return keyword_bad(why, "~ is not expanded: write the path out");
	return 0;
}

static int
keyword_set_path(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	char **p = field;

	if (keyword_check_path(value, &ctx->why) != 0)
		return ERR_FORMAT;
	free(*p);
	if ((kw->flags & KEYWORD_NONE) && strcasecmp(value, "none") == 0)
		*p = strdup("none");
	else
		*p = conf_path(ctx->conf, value);
	return *p == NULL ? ERR_NOMEM : 0;
}

const struct keyword_type keyword_path = { keyword_set_path, keyword_print_text,
	keyword_clear_text };

static int
keyword_set_words(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	struct strlist words = { 0 }, *l = field;
	size_t i;
	int err;

	err = strlist_add_words(&words, value);
	for (i = 0; err == 0 && i < words.n; i++) {
		if (kw->check != NULL)
			err = kw->check(words.v[i], &ctx->why);
		if (err == 0 && strlist_has(l, words.v[i]))
			err = keyword_bad(&ctx->why, KEYWORD_SHOWN " is given twice", words.v[i]);
		if (err == 0)
			err = strlist_add(l, words.v[i], strlen(words.v[i]));
	}
	strlist_free(&words);
	return err;
}

const struct keyword_type keyword_words = { keyword_set_words, keyword_print_words,
	keyword_clear_list };

static int
keyword_set_paths(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	struct strlist words = { 0 };
	size_t i;
	char *path;
	int err;

	err = strlist_add_words(&words, value);
	for (i = 0; err == 0 && i < words.n; i++) {
		err = keyword_check_path(words.v[i], &ctx->why);
		if (err == 0 && kw->check != NULL)
			err = kw->check(words.v[i], &ctx->why);
		if (err != 0)
			break;
		path = conf_path(ctx->conf, words.v[i]);
		if (path == NULL)
			err = ERR_NOMEM;
		else if (!ctx->conf->transient && strchr(path, ' ') != NULL)
			err = keyword_bad(&ctx->why,
			    KEYWORD_SHOWN
			    " lies below a directory with a blank in its name, and blanks "
			    "separate the paths of this list: move one of them",
			    path);
		/* checked again as an absolute path */
		if (err == 0 && kw->check != NULL)
			err = kw->check(path, &ctx->why);
		if (err == 0)
			err = strlist_add(field, path, strlen(path));
		free(path);
	}
	strlist_free(&words);
	return err;
}

const struct keyword_type keyword_paths = { keyword_set_paths, keyword_print_words,
	keyword_clear_list };

static int
keyword_set_line(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	if (kw->check != NULL && kw->check(value, &ctx->why) != 0)
		return ERR_FORMAT;
	return strlist_add(field, value, strlen(value));
}

static void
keyword_print_lines(const struct keyword *kw, const void *field, FILE *to)
{
	const struct strlist *l = field;
	size_t i;

	for (i = 0; i < l->n; i++)
		fprintf(to, "%s = %s\n", kw->name, l->v[i]);
}

const struct keyword_type keyword_lines = { keyword_set_line, keyword_print_lines,
	keyword_clear_list };
