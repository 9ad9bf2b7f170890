/*
 * The keyword types of PerSourceNetBlockSize, PerSourcePenalties and PerSourcePenaltyExemptList.  Used by
 * sections.c.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "formats/address.h"
#include "conf/persource.h"

/* --- PerSourceNetBlockSize: bits4 or bits4:bits6 --- */

static int
net_block_set(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	int *bits = field;
	long n4, n6 = 64;
	char *end;

	(void)kw;
	n4 = strtol(value, &end, 10);
	if (*end == ':')
		n6 = strtol(end + 1, &end, 10);
	if (strspn(value, "0123456789:") != strlen(value) || *end != '\0' || end == value ||
	    end[-1] == ':' || n4 < 0 || n4 > 32 || n6 < 0 || n6 > 128)
		return keyword_bad(&ctx->why,
		    "\"%.80s\" is not BITS4:BITS6, from 0:0 to 32:128, such as 32:64", value);
	bits[0] = (int)n4;
	bits[1] = (int)n6;
	return 0;
}

static void
net_block_print(const struct keyword *kw, const void *field, FILE *to)
{
	const int *bits = field;

	fprintf(to, "%s = %d:%d\n", kw->name, bits[0], bits[1]);
}

const struct keyword_type persource_net_block = { net_block_set, net_block_print, NULL };

/* --- PerSourcePenalties: yes, no, or words of NAME:VALUE --- */

/* The most that max-sources4 and max-sources6 may be: 48 MiB of the master's memory each
 * (master/penalties.c). */
#define SOURCES_MAX 1048576

#define P(member) offsetof(struct conf_penalties, member)

enum penalty_value {
	VALUE_TIME,
	VALUE_NUMBER,
	VALUE_OVERFLOW
};

/* The defaults are those of OpenSSH 10.3. */
static const struct penalty_word {
	const char *name;
	size_t offset;
	enum penalty_value value;
	int initial;
} penalty_words[] = {
	{ "crash", P(ms[CONF_PENALTY_CRASH]), VALUE_TIME, 90 * 1000 },
	{ "authfail", P(ms[CONF_PENALTY_AUTHFAIL]), VALUE_TIME, 5 * 1000 },
	{ "invaliduser", P(ms[CONF_PENALTY_INVALIDUSER]), VALUE_TIME, 5 * 1000 },
	{ "noauth", P(ms[CONF_PENALTY_NOAUTH]), VALUE_TIME, 1 * 1000 },
	{ "grace-exceeded", P(ms[CONF_PENALTY_GRACE_EXCEEDED]), VALUE_TIME, 10 * 1000 },
	{ "refuseconnection", P(ms[CONF_PENALTY_REFUSECONNECTION]), VALUE_TIME, 10 * 1000 },
	{ "max", P(max_ms), VALUE_TIME, 600 * 1000 },
	{ "min", P(min_ms), VALUE_TIME, 15 * 1000 },
	{ "max-sources4", P(max_sources[0]), VALUE_NUMBER, 65536 },
	{ "max-sources6", P(max_sources[1]), VALUE_NUMBER, 65536 },
	{ "overflow", P(deny_all[0]), VALUE_OVERFLOW, 0 },
	{ "overflow6", P(deny_all[1]), VALUE_OVERFLOW, 0 },
};

#define WORDS (sizeof(penalty_words) / sizeof(penalty_words[0]))

static int *
penalty_field(struct conf_penalties *p, size_t i)
{
	return (int *)((char *)p + penalty_words[i].offset);
}

static size_t
penalty_find(const char *name)
{
	size_t i;

	for (i = 0; i < WORDS && strcmp(penalty_words[i].name, name) != 0; i++)
		continue;
	return i;
}

/* A time of sshd_config(5), or seconds with a fraction, which newer versions of sshd accept: 0.5 or 0.5s. */
static int
penalty_time(const char *value, int *ms)
{
	size_t len = strspn(value, "0123456789.");
	double seconds;
	char *end;

	if (strchr(value, '.') == NULL)
		return strcasecmp(value, "none") == 0 ? ERR_FORMAT : conf_time(value, ms);
	seconds = strtod(value, &end);
	if (end != value + len || len > 12 || (*end != '\0' && strcasecmp(end, "s") != 0) ||
	    seconds > 2000000)
		return ERR_FORMAT;
	*ms = (int)(seconds * 1000 + 0.5);
	return 0;
}

static int
penalty_set_value(size_t i, int *field, const char *value, struct reason *why)
{
	const char *name = penalty_words[i].name;
	size_t len = strlen(value);

	switch (penalty_words[i].value) {
	case VALUE_TIME:
		if (penalty_time(value, field) != 0)
			return keyword_bad(why, "%s:%.40s is not a time: write %s:30s or %s:5m",
			    name, value, name, name);
		return 0;
	case VALUE_NUMBER:
		*field = len > 7 || strspn(value, "0123456789") != len ? 0 : atoi(value);
		if (*field < 1 || *field > SOURCES_MAX)
			return keyword_bad(why, "%s:%.40s is not a number from 1 to %d", name,
			    value, SOURCES_MAX);
		return 0;
	case VALUE_OVERFLOW:
		*field = strcmp(value, "deny-all") == 0;
		if (!*field && strcmp(value, "permissive") != 0)
			return keyword_bad(why, "%s:%.40s is none of: permissive deny-all", name,
			    value);
		return 0;
	}
	return ERR_FORMAT;
}

/* Parse one NAME:VALUE.  seen counts how often each name was written. */
static int
penalty_set_word(struct conf_penalties *p, const char *word, int seen[WORDS], struct reason *why)
{
	const char *colon = strchr(word, ':');
	char name[24];
	size_t i = WORDS;

	if (colon != NULL && (size_t)(colon - word) < sizeof(name)) {
		memcpy(name, word, (size_t)(colon - word));
		name[colon - word] = '\0';
		i = penalty_find(name);
	}
	if (i == WORDS)
		return keyword_bad(why,
		    "\"%.60s\" is none of: no yes crash: authfail: invaliduser: noauth: "
		    "grace-exceeded: refuseconnection: max: min: max-sources4: max-sources6: "
		    "overflow: overflow6:",
		    word);
	if (seen[i]++)
		return keyword_bad(why, "%s is given twice", name);
	return penalty_set_value(i, penalty_field(p, i), colon + 1, why);
}

/* invaliduser and authfail must be equal, and one that is left out is set to the other; overflow6 is set
 * to overflow if left out. */
static int
penalty_pairs(struct conf_penalties *p, const int seen[WORDS], struct reason *why)
{
	int *authfail = &p->ms[CONF_PENALTY_AUTHFAIL];
	int *invaliduser = &p->ms[CONF_PENALTY_INVALIDUSER];

	if (!seen[penalty_find("invaliduser")])
		*invaliduser = *authfail;
	else if (!seen[penalty_find("authfail")])
		*authfail = *invaliduser;
	if (!seen[penalty_find("overflow6")])
		p->deny_all[1] = p->deny_all[0];
	if (*authfail != *invaliduser)
		return keyword_bad(why,
		    "invaliduser and authfail must be the same: a difference would tell "
		    "strangers which logins exist");
	if (p->min_ms > p->max_ms)
		return keyword_bad(why, "min is longer than max: nobody would ever be refused");
	return 0;
}

static int
penalties_set(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	struct conf_penalties *p = field;
	struct strlist words = { 0 };
	int seen[WORDS] = { 0 }, r;
	size_t i;

	(void)kw;
	for (i = 0; i < WORDS; i++)
		*penalty_field(p, i) = penalty_words[i].initial;
	p->enabled = strcasecmp(value, "no") != 0;
	if (!p->enabled || strcasecmp(value, "yes") == 0)
		return 0;
	r = strlist_add_words(&words, value);
	for (i = 0; r == 0 && i < words.n; i++) {
		if (strcasecmp(words.v[i], "yes") == 0 || strcasecmp(words.v[i], "no") == 0)
			r = keyword_bad(&ctx->why, "\"%s\" must be the only word", words.v[i]);
		else
			r = penalty_set_word(p, words.v[i], seen, &ctx->why);
	}
	if (r == 0)
		r = penalty_pairs(p, seen, &ctx->why);
	strlist_free(&words);
	return r;
}

static void
penalties_print(const struct keyword *kw, const void *field, FILE *to)
{
	struct conf_penalties p = *(const struct conf_penalties *)field;
	size_t i;
	int n;

	fprintf(to, "%s =%s", kw->name, p.enabled ? "" : " no");
	for (i = 0; p.enabled && i < WORDS; i++) {
		n = *penalty_field(&p, i);
		fprintf(to, " %s:", penalty_words[i].name);
		if (penalty_words[i].value == VALUE_OVERFLOW)
			fputs(n ? "deny-all" : "permissive", to);
		else if (penalty_words[i].value == VALUE_NUMBER)
			fprintf(to, "%d", n);
		else if (n % 1000 != 0)
			fprintf(to, "%d.%03ds", n / 1000, n % 1000);
		else
			fprintf(to, "%ds", n / 1000);
	}
	fputc('\n', to);
}

const struct keyword_type persource_penalties = { penalties_set, penalties_print, NULL };

/* --- PerSourcePenaltyExemptList --- */

int
persource_check_exempt(const char *list, struct reason *why)
{
	if (address_list_ok(list))
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" is not a list of addresses, such as "
	    "192.0.2.7,198.51.100.0/24,2001:db8::/32",
	    list);
}
