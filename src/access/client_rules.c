/*
 * Reading and applying ClientRules: see client_rules.h.  Called by tls_files.c, and by the keeper for each login inside
 * of TLS.
 */
#include <stdlib.h>
#include <string.h>

#include "access/client_rules.h"
#include "base/match.h"
#include "formats/address.h"

/* Those in front of RULE_LOGIN are about the certificate, and may be members of groups. */
enum client_rule_condition {
	RULE_FINGERPRINT,
	RULE_CN,
	RULE_OU,
	RULE_SAN,
	RULE_LOGIN,
	RULE_HOST,
	RULE_FROM,
	RULE_GROUP,
	RULE_CONDITIONS
};

static const char *const client_rule_names[RULE_CONDITIONS] = { "fingerprint", "cn", "ou", "san",
	"login", "host", "from", "group" };

/* A rule; or a member of a group, which has one condition. */
struct client_rule {
	const char *values[RULE_CONDITIONS]; /* in the text; NULL: anything */
	unsigned int line;
	int allow;
	uint32_t group; /* its index plus one; 0: none */
	uint32_t next;	/* of the same chain: its index plus one */
};

struct client_rule_list {
	struct client_rule *v;
	size_t n, max;
	/* Chains in the order of the lines: by a hash of the fingerprint or of the CN, and one of all others. */
	uint32_t *chains;
	size_t n_chains; /* a power of two */
	uint32_t others;
};

struct client_group {
	const char *name;
	unsigned int line;
	size_t first, n; /* of its members */
	uint32_t rules;	 /* the chain of those with group= */
};

struct client_rules {
	char *text; /* cut into values */
	struct client_rule_list rules, members;
	struct client_group *groups; /* sorted by their names */
	size_t n_groups, max_groups;
};

void
client_rules_free(struct client_rules **rules)
{
	struct client_rules *r = *rules;

	*rules = NULL;
	if (r == NULL)
		return;
	free(r->text);
	free(r->rules.v);
	free(r->rules.chains);
	free(r->members.v);
	free(r->members.chains);
	free(r->groups);
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
client_rule_word(struct client_rule *rule, int member, char *word, struct reason *why)
{
	const size_t max = member ? RULE_LOGIN : RULE_CONDITIONS;
	char *value = strchr(word, '=');
	size_t i;

	if (value != NULL)
		*value++ = '\0';
	for (i = 0; i < max && strcmp(client_rule_names[i], word) != 0; i++)
		;
	if (i == max || value == NULL || *value == '\0') {
		reason_set(why, "\"%.80s\" is none of fingerprint= cn= ou= san=%s with a value",
		    word, member ? "" : " login= host= from= group=");
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

/* Append an empty rule or member.  0, or an ERR_* with why. */
static int
client_rule_list_add(struct client_rule_list *list, const char *what, unsigned int number,
    struct reason *why)
{
	size_t max = list->max == 0 ? 64 : list->max * 2;
	struct client_rule *v;

	if (list->n == CLIENT_RULES_MAX) {
		reason_set(why, "more than %d %s", CLIENT_RULES_MAX, what);
		return ERR_TOOBIG;
	}
	if (list->n == list->max) {
		v = reallocarray(list->v, max, sizeof(*v));
		if (v == NULL)
			return ERR_NOMEM;
		list->v = v;
		list->max = max;
	}
	list->v[list->n++] = (struct client_rule){ .line = number };
	return 0;
}

/* What follows "allow" or "deny". */
static int
client_rules_add_rule(struct client_rules *r, int allow, char *rest, unsigned int number,
    struct reason *why)
{
	int err = client_rule_list_add(&r->rules, "rules", number, why);
	char *word;

	if (err == 0)
		r->rules.v[r->rules.n - 1].allow = allow;
	while (err == 0 && (word = strsep(&rest, " \t")) != NULL)
		if (*word != '\0')
			err = client_rule_word(&r->rules.v[r->rules.n - 1], 0, word, why);
	return err;
}

/* A group without members yet.  0, or an ERR_* with why. */
static int
client_group_add(struct client_rules *r, const char *name, unsigned int number, struct reason *why)
{
	size_t max = r->max_groups == 0 ? 16 : r->max_groups * 2;
	struct client_group *v;

	if (name == NULL || strchr(name, '=') != NULL) {
		reason_set(why, "group has no name: write group NAME cn=alice cn=bob");
		return ERR_FORMAT;
	}
	if (r->n_groups == r->max_groups) {
		v = reallocarray(r->groups, max, sizeof(*v));
		if (v == NULL)
			return ERR_NOMEM;
		r->groups = v;
		r->max_groups = max;
	}
	r->groups[r->n_groups++] = (struct client_group){ .name = name,
		.line = number,
		.first = r->members.n };
	return 0;
}

/* What follows "group": its name, and its members. */
static int
client_rules_add_group(struct client_rules *r, char *rest, unsigned int number, struct reason *why)
{
	struct client_group *g;
	char *word = NULL;
	int err;

	while (rest != NULL && (word == NULL || *word == '\0'))
		word = strsep(&rest, " \t");
	err = client_group_add(r, word != NULL && *word != '\0' ? word : NULL, number, why);
	while (err == 0 && (word = strsep(&rest, " \t")) != NULL) {
		if (*word == '\0')
			continue;
		err = client_rule_list_add(&r->members, "members of groups", number, why);
		if (err == 0)
			err = client_rule_word(&r->members.v[r->members.n - 1], 1, word, why);
	}
	if (err != 0)
		return err;
	g = &r->groups[r->n_groups - 1];
	g->n = r->members.n - g->first;
	if (g->n > 0)
		return 0;
	reason_set(why, "group %.80s has no members: write group %.80s cn=alice cn=bob", g->name,
	    g->name);
	return ERR_FORMAT;
}

/* A line, which is not blank and no comment. */
static int
client_rules_add(struct client_rules *r, char *line, unsigned int number, struct reason *why)
{
	char *rest = line;
	const char *word = strsep(&rest, " \t");

	if (strcmp(word, "group") == 0)
		return client_rules_add_group(r, rest, number, why);
	if (strcmp(word, "allow") == 0 || strcmp(word, "deny") == 0)
		return client_rules_add_rule(r, word[0] == 'a', rest, number, why);
	reason_set(why, "\"%.80s\" is none of allow, deny and group", word);
	return ERR_FORMAT;
}

/* --- what has been read, made fast --- */

static int
client_group_order(const void *a, const void *b)
{
	const struct client_group *g = a, *other = b;
	const int r = strcmp(g->name, other->name);

	return r != 0 ? r : g->line < other->line ? -1 : g->line > other->line;
}

static int
client_group_find(const void *name, const void *group)
{
	return strcmp(name, ((const struct client_group *)group)->name);
}

/* Say of which group each member is, and each rule about one.  0, or ERR_FORMAT with the line and why. */
static int
client_rules_group(struct client_rules *r, unsigned int *line, struct reason *why)
{
	const struct client_group *g;
	struct client_rule *rule;
	size_t i, k;

	if (r->n_groups > 0)
		qsort(r->groups, r->n_groups, sizeof(*r->groups), client_group_order);
	for (i = 0; i < r->n_groups; i++) {
		g = &r->groups[i];
		if (i > 0 && strcmp(g[-1].name, g->name) == 0) {
			*line = g->line;
			reason_set(why, "group %.80s is in line %u already", g->name, g[-1].line);
			return ERR_FORMAT;
		}
		for (k = 0; k < g->n; k++)
			r->members.v[g->first + k].group = (uint32_t)i + 1;
	}
	for (i = 0; i < r->rules.n; i++) {
		rule = &r->rules.v[i];
		if (rule->values[RULE_GROUP] == NULL)
			continue;
		g = r->n_groups == 0 ? NULL :
				       bsearch(rule->values[RULE_GROUP], r->groups, r->n_groups,
					   sizeof(*r->groups), client_group_find);
		if (g == NULL) {
			*line = rule->line;
			reason_set(why, "group=%.80s: no line says \"group %.80s ...\"",
			    rule->values[RULE_GROUP], rule->values[RULE_GROUP]);
			return ERR_FORMAT;
		}
		rule->group = (uint32_t)(g - r->groups) + 1;
	}
	return 0;
}

/* FNV-1a, with the kind in front.  It need not withstand chosen values, as the file is the operator's. */
static size_t
client_rule_list_chain(const struct client_rule_list *list, enum client_rule_condition kind,
    const char *value)
{
	uint64_t h = (0xcbf29ce484222325 ^ (uint64_t)kind) * 0x100000001b3;

	for (; *value != '\0'; value++)
		h = (h ^ (uint8_t)*value) * 0x100000001b3;
	return (size_t)(h ^ (h >> 32)) & (list->n_chains - 1);
}

/* From the last to the first, each goes to the front of its chain; rules about a group to that of the group, if groups
 * is not NULL. */
static int
client_rule_list_index(struct client_rule_list *list, struct client_group *groups)
{
	struct client_rule *rule;
	uint32_t *first;
	const char *cn;
	size_t i;

	for (list->n_chains = 16; list->n_chains < list->n; list->n_chains *= 2)
		;
	list->chains = calloc(list->n_chains, sizeof(*list->chains));
	if (list->chains == NULL)
		return ERR_NOMEM;
	for (i = list->n; i > 0; i--) {
		rule = &list->v[i - 1];
		cn = rule->values[RULE_CN];
		first = &list->others;
		if (groups != NULL && rule->group > 0)
			first = &groups[rule->group - 1].rules;
		else if (rule->values[RULE_FINGERPRINT] != NULL)
			first = &list->chains[client_rule_list_chain(list, RULE_FINGERPRINT,
			    rule->values[RULE_FINGERPRINT])];
		else if (cn != NULL && strpbrk(cn, "*?") == NULL)
			first = &list->chains[client_rule_list_chain(list, RULE_CN, cn)];
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
		err = client_rules_group(r, line, why);
	if (err == 0)
		err = client_rule_list_index(&r->rules, r->groups);
	if (err == 0)
		err = client_rule_list_index(&r->members, NULL);
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

/* Of a rule about a group, all but that. */
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

/* The chains that what holds for this certificate is in. */
static void
client_rule_list_starts(const struct client_rule_list *list, const struct lookup_certificate *c,
    uint32_t starts[3])
{
	starts[0] = list->chains[client_rule_list_chain(list, RULE_FINGERPRINT, c->fingerprint)];
	starts[1] = list->chains[client_rule_list_chain(list, RULE_CN, c->cn)];
	starts[2] = list->others;
}

/* Take the first rule of a chain that holds, if it is in front of the best so far. */
static void
client_rules_try(const struct client_rules *r, uint32_t at, const struct client_rules_request *q,
    const struct client_rule **best)
{
	const struct client_rule *rule;

	for (; at != 0; at = rule->next) {
		rule = &r->rules.v[at - 1];
		if (*best != NULL && rule->line >= (*best)->line)
			return;
		if (client_rule_holds(rule, q)) {
			*best = rule;
			return;
		}
	}
}

int
client_rules_allow(const struct client_rules *r, const struct client_rules_request *q,
    unsigned int *line)
{
	const struct client_rule *best = NULL, *member;
	uint32_t starts[3], at;
	size_t i;

	client_rule_list_starts(&r->rules, q->certificate, starts);
	for (i = 0; i < 3; i++)
		client_rules_try(r, starts[i], q, &best);
	client_rule_list_starts(&r->members, q->certificate, starts);
	for (i = 0; i < 3; i++)
		for (at = starts[i]; at != 0; at = member->next) {
			member = &r->members.v[at - 1];
			if (client_rule_holds(member, q))
				client_rules_try(r, r->groups[member->group - 1].rules, q, &best);
		}
	*line = best == NULL ? 0 : best->line;
	return best != NULL && best->allow;
}
