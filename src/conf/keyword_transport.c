/*
 * The types of values that are about the SSH transport: lists of algorithms, and RekeyLimit.  In the
 * tables of [gateway] (sections.c) and of [route] (lookup/route.c).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/keyword.h"
#include "wire/algorithms.h"

/* --- lists of algorithms --- */

/* Longer than all names of one kind together. */
#define KEYWORD_ALGORITHMS_MAX 2048

int
keyword_expand_algorithms(int kind, const char *list, const char *within, char **field,
    struct reason *why)
{
	struct buf names;
	int err;

	free(*field);
	*field = NULL;
	buf_init(&names, KEYWORD_ALGORITHMS_MAX);
	err = algorithms_expand((enum algorithms)kind, list, within, &names, why);
	if (err == 0) {
		*field = strndup((const char *)names.data, names.len);
		err = *field == NULL ? ERR_NOMEM : 0;
	}
	buf_free(&names);
	return err;
}

static int
keyword_set_algorithms(const struct keyword *kw, void *field, const char *value,
    struct keyword_ctx *ctx)
{
	return keyword_expand_algorithms((int)kw->min, value, NULL, field, &ctx->why);
}

static void
keyword_print_algorithms(const struct keyword *kw, const void *field, FILE *to)
{
	const char *list = *(char *const *)field;

	fprintf(to, "%s = %s\n", kw->name,
	    list != NULL ? list : algorithms_default((enum algorithms)kw->min));
}

static void
keyword_clear_algorithms(void *field)
{
	char **p = field;

	free(*p);
	*p = NULL;
}

const struct keyword_type keyword_algorithms = { keyword_set_algorithms, keyword_print_algorithms,
	keyword_clear_algorithms };

/* --- RekeyLimit --- */

/* The host key signs one key exchange of a connection per second (IPC message SIGN): with less than
 * this between two of them, a fast transfer would stand still most of the time. */
#define KEYWORD_REKEY_MIN (UINT64_C(1) << 20)
#define KEYWORD_REKEY_MAX (UINT64_C(1) << 48)

/* A number of bytes, with K, M or G behind it; or "default": 0.  0 or ERR_FORMAT. */
static int
keyword_read_size(const char *text, size_t len, uint64_t *bytes)
{
	static const char units[] = "KMG";
	uint64_t n = 0;
	unsigned int shift = 0;
	const char *unit;
	size_t i;

	*bytes = 0;
	if (len == 7 && strncasecmp(text, "default", len) == 0)
		return 0;
	for (i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		n = n * 10 + (uint64_t)(text[i] - '0');
		if (n > KEYWORD_REKEY_MAX)
			return ERR_FORMAT;
	}
	if (i == 0 || len - i > 1)
		return ERR_FORMAT;
	if (i < len) {
		unit = strchr(units, text[i] & ~0x20);
		if (unit == NULL || *unit == '\0')
			return ERR_FORMAT;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (n > KEYWORD_REKEY_MAX >> shift || n << shift < KEYWORD_REKEY_MIN)
		return ERR_FORMAT;
	*bytes = n << shift;
	return 0;
}

static int
keyword_set_rekey(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	struct conf_rekey *rekey = field, new = { .set = 1 };
	size_t len = strcspn(value, " \t");
	const char *time = value + len + strspn(value + len, " \t");

	(void)kw;
	if (keyword_read_size(value, len, &new.bytes) != 0)
		return keyword_bad(&ctx->why,
		    "\"%.80s\" does not begin with a size: write 512M, 1G (at least 1M) or "
		    "default, then a time if wanted, such as 1h",
		    value);
	if (*time != '\0' && conf_time(time, &new.ms) != 0)
		return keyword_bad(&ctx->why,
		    "\"%.80s\" is not a time: write 30m, 1h or none, at most 24 days", time);
	*rekey = new;
	return 0;
}

static void
keyword_print_rekey(const struct keyword *kw, const void *field, FILE *to)
{
	const struct conf_rekey *rekey = field;

	if (!rekey->set)
		return;
	if (rekey->bytes == 0)
		fprintf(to, "%s = default", kw->name);
	else
		fprintf(to, "%s = %" PRIu64, kw->name, rekey->bytes);
	if (rekey->ms == 0)
		fprintf(to, " none\n");
	else
		fprintf(to, " %ds\n", rekey->ms / 1000);
}

const struct keyword_type keyword_rekey = { keyword_set_rekey, keyword_print_rekey, NULL };
