/*
 * A configuration and its lookup, for the tests of routes: in the directory of tmp_dir_setup().
 */
#ifndef TESTS_LOOKUP_LAB_H
#define TESTS_LOOKUP_LAB_H

#include "lookup/lookup.h"

/* What a [route] needs besides HostName. */
#define REST_OF_ROUTE "Key = k\nAuthorizedKey = t AAAA\nStrictHostKeyChecking = no\n"

struct lookup_lab {
	struct conf *conf;
	struct lookup *lookup;
	struct conf_errors errors;
};

/* Load conf.d with this text as a.ini (NULL: with the a.ini that is there): lookup_new() says what of it.
 * lookup_lab_free() it in any case. */
int lookup_lab_try(struct lookup_lab *lab, const char *text) MUST_CHECK;
void lookup_lab_free(struct lookup_lab *lab);

/* Load it; it has no errors. */
void lookup_lab_load(struct lookup_lab *lab, const char *text);

/* The text is refused with these errors, as they are printed. */
void lookup_lab_refuses(const char *text, const char *expected);

/* Look the login up, for a client at 192.0.2.1.  A backend that asks a program fails. */
enum lookup_result lookup_lab_find(struct lookup_lab *lab, const char *login, struct route **route);

#endif
