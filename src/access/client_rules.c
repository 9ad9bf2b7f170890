/*
 * Reading and applying ClientRules: see client_rules.h.  Called by tls_files.c, and by the keeper for each login inside
 * of TLS.
 */
#include <stdlib.h>
#include <string.h>

#include "access/client_rules.h"
#include "base/match.h"
#include "formats/address.h"

enum client_rule_condition {
	RULE_FINGERPRINT,
	RULE_CN,
	RULE_OU,
	RULE_SAN,
	RULE_LOGIN,
	RULE_HOST,
	RULE_FROM,
	RULE_CONDITIONS
};

static const char *const client_rule_names[RULE_CONDITIONS] = { "fingerprint", "cn", "ou", "san",
	"login", "host", "from" };

struct client_rule {
	const char *values[RULE_CONDITIONS]; /* in the text; NULL: anything */
	unsigned int line;
	int allow;
	uint32_t next; /* of the same chain: its index plus one */
};

struct client_rules {
	char *text; /* cut into values */
	struct client_rule *v;
	size_t n, max;
	/* Chains in the order of the lines: by a hash of the fingerprint or of the CN, and one of all other rules. */
	uint32_t *chains;
	size_t n_chains; /* a power of two */
	uint32_t others;
};

void
client_rules_free(struct client_rules **rules)
{
	struct client_rules *r = *rules;

	*rules = NULL;
	if (r == NULL)
		return;
	free(r->text);
	free(r->v);
	free(r->chains);
	free(r);
}

/* --- reading --- */

/* A fingerprint without its colons and in lower case, in its own place.  1 if it is one. */
static int
client_rule_fingerprint(char *value)
{
	char *to = value;
	const char *from;

	for (from = value; *from != '\0'; from++)
		if (*from != ':')
			*to++ = (char)(*from >= 'A' && *from <= 'F' ? *from + 32 : *from);
	*to = '\0';
	return strlen(value) == 64 && strspn(value, "0123456789abcdef") == 64;
}

/* A word, CONDITION=VALUE.  0, or ERR_FORMAT with why. */
static int
client_rule_word(struct client_rule *rule, char *word, struct reason *why)
{
	char *value = strchr(word, '=');
	size_t i;

	if (value != NULL)
		*value++ = '\0';
	for (i = 0; i < RULE_CONDITIONS && strcmp(client_rule_names[i], word) != 0; i++)
		;
	if (i == RULE_CONDITIONS || value == NULL || *value == '\0') {
		reason_set(why,
		    "\"%.80s\" is none of fingerprint= cn= ou= san= login= host= from= with a value",
		    word);
		return ERR_FORMAT;
	}
	if (rule->values[i] != NULL) {
		reason_set(why, "%s= is given twice", word);
		return ERR_FORMAT;
	}
	rule->values[i] = value;
	if (i == RULE_FINGERPRINT && !client_rule_fingerprint(value)) {
		reason_set(why, "fingerprint= is not a SHA-256 in hexadecimal");
		return ERR_FORMAT;
	}
	if (i == RULE_FROM && !address_list_ok(value)) {
		reason_set(why,
		    "from=%.80s is not a list of addresses: 192.0.2.7,10.0.0.0/8,!10.9.0.0/16",
		    value);
		return ERR_FORMAT;
	}
	return 0;
}

/* A line, which is not blank and no comment. */
static int
client_rule_read(struct client_rule *rule, char *line, struct reason *why)
{
	char *rest = line, *word = strsep(&rest, " \t");
	int r = 0;

	rule->allow = strcmp(word, "allow") == 0;
	if (!rule->allow && strcmp(word, "deny") != 0) {
		reason_set(why, "\"%.80s\" is neither allow nor deny", word);
		return ERR_FORMAT;
	}
	while (r == 0 && (word = strsep(&rest, " \t")) != NULL)
		if (*word != '\0')
			r = client_rule_word(rule, word, why);
	return r;
}

static int
client_rules_add(struct client_rules *r, char *line, unsigned int number, struct reason *why)
{
	size_t max = r->max == 0 ? 64 : r->max * 2;
	struct client_rule *v;

	if (r->n == CLIENT_RULES_MAX) {
		reason_set(why, "more than %d rules", CLIENT_RULES_MAX);
		return ERR_TOOBIG;
	}
	if (r->n == r->max) {
		v = reallocarray(r->v, max, sizeof(*v));
		if (v == NULL)
			return ERR_NOMEM;
		r->v = v;
		r->max = max;
	}
	r->v[r->n] = (struct client_rule){ .line = number };
	return client_rule_read(&r->v[r->n++], line, why);
}

/* FNV-1a, with the kind in front.  It need not withstand chosen values, as the file is the operator's. */
static size_t
client_rules_chain(const struct client_rules *r, enum client_rule_condition kind, const char *value)
{
	uint64_t h = (0xcbf29ce484222325 ^ (uint64_t)kind) * 0x100000001b3;

	for (; *value != '\0'; value++)
		h = (h ^ (uint8_t)*value) * 0x100000001b3;
	return (size_t)(h ^ (h >> 32)) & (r->n_chains - 1);
}

/* From the last rule to the first, each goes to the front of its chain. */
static int
client_rules_index(struct client_rules *r)
{
	struct client_rule *rule;
	uint32_t *first;
	const char *cn;
	size_t i;

	for (r->n_chains = 16; r->n_chains < r->n; r->n_chains *= 2)
		;
	r->chains = calloc(r->n_chains, sizeof(*r->chains));
	if (r->chains == NULL)
		return ERR_NOMEM;
	for (i = r->n; i > 0; i--) {
		rule = &r->v[i - 1];
		cn = rule->values[RULE_CN];
		first = &r->others;
		if (rule->values[RULE_FINGERPRINT] != NULL)
			first = &r->chains[client_rules_chain(r, RULE_FINGERPRINT,
			    rule->values[RULE_FINGERPRINT])];
		else if (cn != NULL && strpbrk(cn, "*?") == NULL)
			first = &r->chains[client_rules_chain(r, RULE_CN, cn)];
		rule->next = *first;
		*first = (uint32_t)i;
	}
	return 0;
}

int
client_rules_parse(struct bytes text, struct client_rules **out, unsigned int *line,
    struct reason *why)
{
	struct client_rules *r = calloc(1, sizeof(*r));
	char *rest, *at;
	int err = 0;

	*out = NULL;
	*line = 0;
	reason_set(why, "out of memory");
	if (r == NULL || (r->text = malloc(text.len + 1)) == NULL) {
		client_rules_free(&r);
		return ERR_NOMEM;
	}
	if (text.len > 0)
		memcpy(r->text, text.p, text.len);
	r->text[text.len] = '\0';
	if (strlen(r->text) != text.len) {
		reason_set(why, "has a NUL");
		err = ERR_FORMAT;
	}
	for (rest = r->text; err == 0 && (at = strsep(&rest, "\n")) != NULL;) {
		++*line;
		at += strspn(at, " \t\r");
		at[strcspn(at, "\r")] = '\0';
		if (*at != '\0' && *at != '#')
			err = client_rules_add(r, at, *line, why);
	}
	if (err == 0)
		err = client_rules_index(r);
	if (err != 0)
		client_rules_free(&r);
	*out = r;
	return err;
}

/* --- applying --- */

static int
client_rule_matches(const char *pattern, const char *text, enum match_case letters)
{
	return match_pattern((struct bytes){ (const uint8_t *)text, strlen(text) },
	    (struct bytes){ (const uint8_t *)pattern, strlen(pattern) }, letters);
}

static int
client_rule_matches_one(const char *pattern, const struct strlist *names, enum match_case letters)
{
	size_t i;

	for (i = 0; i < names->n; i++)
		if (client_rule_matches(pattern, names->v[i], letters))
			return 1;
	return 0;
}

static int
client_rule_holds(const struct client_rule *rule, const struct client_rules_request *q)
{
	const char *const *v = rule->values;
	const struct lookup_certificate *c = q->certificate;

	if (v[RULE_LOGIN] != NULL &&
	    (q->login == NULL ? !rule->allow :
				!client_rule_matches(v[RULE_LOGIN], q->login, MATCH_CASE)))
		return 0;
	return (v[RULE_FINGERPRINT] == NULL || strcmp(v[RULE_FINGERPRINT], c->fingerprint) == 0) &&
	    (v[RULE_CN] == NULL || client_rule_matches(v[RULE_CN], c->cn, MATCH_CASE)) &&
	    (v[RULE_OU] == NULL || client_rule_matches_one(v[RULE_OU], c->units, MATCH_CASE)) &&
	    (v[RULE_SAN] == NULL || client_rule_matches_one(v[RULE_SAN], c->names, MATCH_FOLD)) &&
	    (v[RULE_HOST] == NULL || client_rule_matches(v[RULE_HOST], q->host, MATCH_FOLD)) &&
	    (v[RULE_FROM] == NULL || address_match(q->address, v[RULE_FROM]) == 1);
}

int
client_rules_allow(const struct client_rules *r, const struct client_rules_request *q,
    unsigned int *line)
{
	const struct client_rule *best = NULL, *rule;
	uint32_t starts[3], at;
	size_t i;

	starts[0] = r->chains[client_rules_chain(r, RULE_FINGERPRINT, q->certificate->fingerprint)];
	starts[1] = r->chains[client_rules_chain(r, RULE_CN, q->certificate->cn)];
	starts[2] = r->others;
	for (i = 0; i < 3; i++)
		for (at = starts[i]; at != 0; at = rule->next) {
			rule = &r->v[at - 1];
			if (best != NULL && rule->line > best->line)
				break;
			if (client_rule_holds(rule, q)) {
				best = rule;
				break;
			}
		}
	*line = best == NULL ? 0 : best->line;
	return best != NULL && best->allow;
}
