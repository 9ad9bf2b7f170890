/*
 * ClientRules: a file that says which client certificates may reach which logins.  A line is a rule, "allow" or "deny" with
 * conditions; the first rule whose conditions hold decides, and without one the client is denied.
 *
 *	allow fingerprint=HEX | cn=PATTERN | ou=PATTERN | san=PATTERN | login=PATTERN | host=PATTERN | from=ADDRESSES |
 *	    group=NAME ...
 *	group NAME fingerprint=HEX | cn=PATTERN | ou=PATTERN | san=PATTERN ...
 *
 * A certificate is in a group if one of its members holds.  The line of a group may stand below those that name it.
 * PATTERN has * and ?, which also stands for a blank.  Blank lines and those that begin with # say nothing.
 */
#ifndef ACCESS_CLIENT_RULES_H
#define ACCESS_CLIENT_RULES_H

#include "base/reason.h"
#include "lookup/lookup.h"

/* Rules in a file, members of all its groups, and its size. */
#define CLIENT_RULES_MAX 100000
#define CLIENT_RULES_SIZE_MAX (16u * 1024 * 1024)

struct client_rules;

/* Parse a file.  0 with *out; ERR_FORMAT or ERR_TOOBIG with the line and why; or ERR_NOMEM. */
int client_rules_parse(struct bytes text, struct client_rules **out, unsigned int *line,
    struct reason *why) MUST_CHECK;
void client_rules_free(struct client_rules **rules); /* takes NULL */

/* Who wants to be let in. */
struct client_rules_request {
	const struct lookup_certificate *certificate;
	const char *
	    login; /* NULL: not known yet; rules about logins that deny do not count, those that allow do */
	const char *host;    /* in lower case, or "" */
	const char *address; /* of the client */
};

/* 1 if it is allowed, else 0; *line is that of the rule, 0 if there is none.  The time does not grow with rules or
 * members whose certificate is named by its fingerprint, or by a CN without * and ?. */
int client_rules_allow(const struct client_rules *rules, const struct client_rules_request *request,
    unsigned int *line);

#endif
