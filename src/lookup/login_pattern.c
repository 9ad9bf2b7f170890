/*
 * Patterns in the names of [route] sections.  Called by the ini backend at each login, by route.c to check the
 * name, and by `sallyport check`.  The only code that uses PCRE2, without its compiler to machine code: the
 * keeper may make no memory executable.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "lookup/login_pattern.h"

/*
 * Steps that a match may take, a few milliseconds of the keeper, which serves nobody else meanwhile.  Three
 * groups of any text, tried at every place of a login of 255 bytes, take a third of that; nested repetitions
 * of which a stranger's login makes the most take more than any limit.
 */
#define MATCH_STEPS 100000
/* Memory, in KiB, for the places to go back to.  A long login needs some 50. */
#define MATCH_HEAP 1024

struct login_pattern {
	char *wildcard;	  /* the text with its *, or NULL */
	pcre2_code *code; /* of a regular expression, or NULL */
	unsigned int captures;
};

size_t
route_name_len(const char *name)
{
	const char *last;

	if (!login_pattern_is_regex(name))
		return strcspn(name, "/");
	last = strrchr(name, '/');
	/* without a slash at its end all of it is the expression, which login_pattern_new() refuses */
	return last == name ? strlen(name) : (size_t)(last - name) + 1;
}

const char *
route_name_label(const char *name)
{
	const char *rest = name + route_name_len(name);

	if (*rest == '\0')
		return NULL;
	return login_pattern_is_regex(name) ? rest : rest + 1;
}

int
login_pattern_is_regex(const char *name)
{
	return name[0] == '/';
}

int
login_pattern_is(const char *name)
{
	return login_pattern_is_regex(name) || memchr(name, '*', route_name_len(name)) != NULL;
}

/* Compile the len bytes between the slashes. */
static int
login_pattern_compile(struct login_pattern *p, const char *text, size_t len, struct reason *why)
{
	/* ö is one character; \d and \w are ASCII, as in a host name */
	const uint32_t options = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
	    PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
	unsigned char said[160];
	PCRE2_SIZE at;
	int err;

	if (len > LOGIN_PATTERN_MAX) {
		reason_set(why, "the regular expression is longer than %d bytes",
		    LOGIN_PATTERN_MAX);
		return ERR_FORMAT;
	}
	p->code = pcre2_compile((PCRE2_SPTR)text, len, options, &err, &at, NULL);
	if (p->code == NULL) {
		(void)pcre2_get_error_message(err, said, sizeof(said));
		reason_set(why, "the regular expression is wrong at byte %zu: %s", at,
		    (const char *)said);
		return err == PCRE2_ERROR_NOMEMORY ? ERR_NOMEM : ERR_FORMAT;
	}
	(void)pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &p->captures);
	if (p->captures > WILDCARD_CAPTURES) {
		reason_set(why, "more than %d groups: write (?:...) for those that no %%1 uses",
		    WILDCARD_CAPTURES);
		return ERR_FORMAT;
	}
	return 0;
}

int
login_pattern_new(const char *name, struct login_pattern **out, struct reason *why)
{
	struct login_pattern *p = calloc(1, sizeof(*p));
	size_t len = route_name_len(name);
	int r = ERR_NOMEM;

	*out = NULL;
	if (p != NULL && !login_pattern_is_regex(name)) {
		p->wildcard = strndup(name, len);
		r = p->wildcard == NULL ? ERR_NOMEM : 0;
		p->captures = p->wildcard == NULL ? 0 : wildcard_stars(p->wildcard);
		if (p->captures > WILDCARD_CAPTURES) {
			reason_set(why, "more than %d *", WILDCARD_CAPTURES);
			r = ERR_FORMAT;
		}
	} else if (p != NULL && (len < 3 || name[len - 1] != '/')) {
		reason_set(why,
		    "a regular expression is written between slashes: [route /^dev-[0-9]+$/]");
		r = ERR_FORMAT;
	} else if (p != NULL) {
		r = login_pattern_compile(p, name + 1, len - 2, why);
	}
	if (r != 0)
		login_pattern_free(&p);
	if (r == ERR_NOMEM)
		reason_set(why, "out of memory");
	*out = p;
	return r;
}

void
login_pattern_free(struct login_pattern **pattern)
{
	if (*pattern == NULL)
		return;
	pcre2_code_free((*pattern)->code);
	free((*pattern)->wildcard);
	free(*pattern);
	*pattern = NULL;
}

unsigned int
login_pattern_captures(const struct login_pattern *pattern)
{
	return pattern->captures;
}

/* Take the groups over.  One that took part in no match is empty. */
static void
login_pattern_take(const struct login_pattern *p, const PCRE2_SIZE *at, const char *login,
    struct wildcard_match *match)
{
	unsigned int i;

	match->login = login;
	match->n = p->captures;
	for (i = 0; i < p->captures; i++) {
		const PCRE2_SIZE from = at[2 * i + 2], to = at[2 * i + 3];

		match->captures[i].text = login;
		match->captures[i].len = 0;
		if (from == PCRE2_UNSET || to < from)
			continue;
		match->captures[i].text = login + from;
		match->captures[i].len = to - from;
	}
}

static int
login_pattern_find_regex(const struct login_pattern *p, const char *login,
    struct wildcard_match *match, struct reason *why)
{
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create(WILDCARD_CAPTURES + 1, NULL);
	unsigned char said[160];
	int r = PCRE2_ERROR_NOMEMORY;

	if (limits != NULL && data != NULL) {
		(void)pcre2_set_match_limit(limits, MATCH_STEPS);
		(void)pcre2_set_heap_limit(limits, MATCH_HEAP);
		r = pcre2_match(p->code, (PCRE2_SPTR)login, strlen(login), 0, PCRE2_NO_JIT, data,
		    limits);
	}
	if (r >= 0)
		login_pattern_take(p, pcre2_get_ovector_pointer(data), login, match);
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	if (r >= 0 || r == PCRE2_ERROR_NOMATCH)
		return r >= 0;
	if (r == PCRE2_ERROR_MATCHLIMIT || r == PCRE2_ERROR_HEAPLIMIT) {
		reason_set(why,
		    "the regular expression takes more than %d steps or %d KiB for this login; "
		    "write it without repetitions inside repetitions",
		    MATCH_STEPS, MATCH_HEAP);
	} else {
		(void)pcre2_get_error_message(r, said, sizeof(said));
		reason_set(why, "the regular expression failed: %s", (const char *)said);
	}
	return ERR_TOOBIG;
}

int
login_pattern_find(const struct login_pattern *pattern, const char *login,
    struct wildcard_match *match, struct reason *why)
{
	if (pattern->wildcard != NULL)
		return wildcard_find(pattern->wildcard, login, match);
	return login_pattern_find_regex(pattern, login, match, why);
}
