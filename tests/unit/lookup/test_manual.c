/*
 * man/sallyport.conf.5 and the tables of keywords say the same.  Runs in the directory of
 * the sources, as build-aux/run-unit does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "conf/elsewhere.h"
#include "conf/forward.h"
#include "conf/tls.h"
#include "conf/keyword.h"
#include "conf/sections.h"
#include "lookup/lookup.h"
#include "lookup/route_types.h"

#define PAGE "man/sallyport.conf.5"

static char *page;

/* The section of the page that a table is described in. */
static void
title_of(const char *kind, char title[64])
{
	const char *sh = strcmp(kind, "gateway") == 0 ? "GATEWAY" :
	    strcmp(kind, "edge") == 0		      ? "EDGE" :
	    strcmp(kind, "forward") == 0	      ? "FORWARDS" :
	    strcmp(kind, "tls") == 0		      ? "TLS" :
	    strcmp(kind, "keystore") == 0	      ? "KEY STORE" :
	    strcmp(kind, "lookup") == 0		      ? "LOOKUP" :
	    strcmp(kind, "route") == 0		      ? "ROUTES" :
							NULL;

	if (sh != NULL)
		snprintf(title, 64, ".Sh %s\n", sh);
	else
		snprintf(title, 64, ".Ss lookup %s\n", kind);
}

/* A copy of what stands from one line on to the next that begins with end. */
static char *
piece(const char *from, const char *end)
{
	const char *stop;
	char mark[32];

	snprintf(mark, sizeof(mark), "\n%s", end);
	stop = strstr(from + 1, mark);
	return stop == NULL ? strdup(from) : strndup(from, (size_t)(stop + 1 - from));
}

/* The line after which a key is described in this text, or NULL. */
static const char *
find_item(const char *text, const char *key)
{
	char mark[80];
	size_t len;
	const char *p;

	len = (size_t)snprintf(mark, sizeof(mark), "\n.It Cm %s", key);
	for (p = text; (p = strstr(p, mark)) != NULL; p++)
		if (p[len] == ' ' || p[len] == '\n')
			return p + 1;
	return NULL;
}

/* "default is" and on the next line the value, or a full stop after it. */
static int
says_default(const char *item, const char *value)
{
	char mark[160];
	size_t len;
	const char *p;

	len = (size_t)snprintf(mark, sizeof(mark), "\n.Cm %s", value);
	p = strstr(item, "he default is\n");
	if (p == NULL)
		return 0;
	p = strchr(p, '\n');
	return strncmp(p, mark, len) == 0 && (p[len] == ' ' || p[len] == '\n');
}

static unsigned int
compare(const char *kind, const struct keyword *table, size_t n)
{
	const char *start, *p, *at;
	char *chapter, *section, *item, key[64], note[80], title[64];
	unsigned int bad = 0;
	size_t i;

	title_of(kind, title);
	start = strstr(page, title);
	assert_non_null(start);
	section = piece(start, ".Sh ");
	if (strncmp(title, ".Ss ", 4) == 0) {
		chapter = section;
		section = piece(chapter, ".Ss ");
		free(chapter);
	}
	for (i = 0; i < n; i++) {
		at = find_item(section, table[i].name);
		if (table[i].type == NULL || at == NULL) {
			if (table[i].type == NULL)
				continue; /* below, if it is there */
			snprintf(note, sizeof(note), "\n.\\\"@%s ", table[i].name);
			fprintf(stderr, "%s: [%s] %s lacks documentation\n", PAGE, kind,
			    table[i].name);
			if (strstr(page, note) != NULL)
				fprintf(stderr,
				    "    it stands there in comments: sed -i 's/^\\.\\\\\"@%s //' %s\n",
				    table[i].name, PAGE);
			bad++;
			continue;
		}
		item = piece(at, ".It Cm ");
		if (table[i].value != NULL && !says_default(item, table[i].value)) {
			fprintf(stderr,
			    "%s: [%s] %s: does not say \"The default is\" and then \".Cm %s\"\n",
			    PAGE, kind, table[i].name, table[i].value);
			bad++;
		}
		free(item);
	}
	for (p = section; (p = strstr(p, "\n.It Cm ")) != NULL; p++) {
		assert_int_equal(sscanf(p, "\n.It Cm %63s", key), 1);
		for (i = 0; i < n && (table[i].type == NULL || strcmp(table[i].name, key) != 0);
		     i++)
			;
		if (i == n)
			fprintf(stderr, "%s: [%s] %s is documented, and there is no such key\n",
			    PAGE, kind, key);
		else if (find_item(section, key) != p + 1)
			fprintf(stderr, "%s: [%s] %s is documented twice\n", PAGE, kind, key);
		else
			continue;
		bad++;
	}
	free(section);
	return bad;
}

static void
test_every_key_is_documented_with_its_default(void **state)
{
	const struct keyword *table;
	const char *kind;
	unsigned int bad = 0;
	size_t i, n;

	(void)state;
	for (i = 0; (table = sections_keywords(i, &kind, &n)) != NULL; i++)
		bad += compare(kind, table, n);
	for (i = 0; lookup_keywords(i, &kind, &table, &n); i++)
		bad += compare(kind, table, n);
	assert_true(i >= 3);
	table = route_keywords(&n);
	bad += compare("route", table, n);
	table = forward_keywords(&n);
	bad += compare("forward", table, n);
	table = conf_tls_keywords(&n);
	bad += compare("tls", table, n);
	assert_int_equal(bad, 0);
}

static int
is_keyword(const struct keyword *table, size_t n, const char *word)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcasecmp(table[i].name, word) == 0 && table[i].type != NULL)
			return 1;
	return 0;
}

/* The list in conf/, which cannot see the table of routes. */
static void
test_keywords_of_routes_are_known_to_conf(void **state)
{
	const struct keyword *routes, *gateway;
	size_t n, n_gateway, i;
	const char *kind;
	char out[64];

	(void)state;
	routes = route_keywords(&n);
	gateway = sections_keywords(0, &kind, &n_gateway);
	assert_string_equal(kind, "gateway");
	for (i = 0; elsewhere_of_route[i] != NULL; i++)
		if (!is_keyword(routes, n, elsewhere_of_route[i]))
			fail_msg("%s is no keyword of [route]", elsewhere_of_route[i]);
	for (i = 0; i < n; i++)
		if (routes[i].type != NULL && !is_keyword(gateway, n_gateway, routes[i].name) &&
		    elsewhere("gateway", "", routes[i].name, out) == NULL)
			fail_msg("add %s to elsewhere_of_route[]", routes[i].name);
}

/* So that the comparison is known to see what it is for. */
static void
test_differences_are_seen(void **state)
{
	static const struct keyword table[] = {
		{ .name = "Order", .type = &keyword_words, .value = "ini" },
		{ .name = "KnownHostsDirectory", .type = &keyword_paths }
	};
	static const struct keyword other[] = {
		{ .name = "Order", .type = &keyword_words, .value = "in" },
		{ .name = "KnownHostsDirectory", .type = &keyword_paths },
		{ .name = "Orde", .type = &keyword_words }
	};
	static const struct keyword to_come[] = { { .name = "Order" },
		{ .name = "KnownHostsDirectory", .type = &keyword_paths } };

	(void)state;
	assert_int_equal(compare("lookup", table, 2), 0);
	fprintf(stderr, "what follows is meant to be said:\n");
	assert_int_equal(compare("lookup", other, 3), 2);
	assert_int_equal(compare("lookup", to_come, 2), 1);
	assert_int_equal(compare("lookup", table, 0), 2);
}

static int
setup(void **state)
{
	FILE *f = fopen(PAGE, "r");
	size_t len = 0;

	(void)state;
	if (f == NULL || getdelim(&page, &len, '\0', f) <= 0) {
		perror(PAGE);
		return -1;
	}
	fclose(f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(page);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_key_is_documented_with_its_default),
		cmocka_unit_test(test_differences_are_seen),
		cmocka_unit_test(test_keywords_of_routes_are_known_to_conf),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
