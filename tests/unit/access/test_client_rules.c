/*
 * access/client_rules.c: the first rule whose conditions hold, mistakes by their lines, and 100,000 rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access/client_rules.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char staff[] = "staff", mail[] = "email:alice@example.org";
static char *staff_v[] = { staff, NULL }, *mail_v[] = { mail, NULL };
static const struct strlist none = { NULL, 0 }, units = { staff_v, 1 }, names = { mail_v, 1 };
static const struct lookup_certificate alice = { HASH_A, "alice", &units, &names },
				       bob = { HASH_B, "bob", &none, &none };

static struct client_rules *
rules_of(const char *text)
{
	struct client_rules *r;
	struct reason why;
	unsigned int line;

	if (client_rules_parse((struct bytes){ (const uint8_t *)text, strlen(text) }, &r, &line,
		&why) != 0)
		fail_msg("line %u: %s", line, why.text);
	return r;
}

/* The line that decides, below 0 if it denies. */
static int
decides(const struct client_rules *r, const struct lookup_certificate *c, const char *login,
    const char *host, const char *address)
{
	const struct client_rules_request q = { c, login, host, address };
	unsigned int line;
	const int allowed = client_rules_allow(r, &q, &line);

	return allowed ? (int)line : -(int)line;
}

static void
test_first_rule_decides(void **state)
{
	struct client_rules *r = rules_of("# people\n"
					  "deny login=root\n"
					  "allow fingerprint=" HASH_A " from=10.0.0.0/8 login=a*\n"
					  "\n"
					  "deny cn=bob host=secret.*\r\n"
					  "allow cn=bob\n"
					  "  allow\tou=sta?f san=EMAIL:*@example.org  host=vm1\n"
					  "deny cn=a*\n"
					  "allow cn=alice login=late");

	(void)state;
	assert_int_equal(decides(r, &alice, "root", "", "10.0.0.1"), -2);
	assert_int_equal(decides(r, &alice, "al", "", "10.0.0.1"), 3);
	assert_int_equal(decides(r, &alice, "al", "", "192.0.2.1"), -8);
	assert_int_equal(decides(r, &alice, "bob", "vm1", "10.0.0.1"), 7);
	assert_int_equal(decides(r, &alice, "late", "", "10.0.0.1"), -8);
	assert_int_equal(decides(r, &bob, "x", "secret.a", "10.0.0.1"), -5);
	assert_int_equal(decides(r, &bob, "x", "", "10.0.0.1"), 6);
	/* before the login is known */
	assert_int_equal(decides(r, &alice, NULL, "", "10.0.0.1"), 3);
	assert_int_equal(decides(r, &bob, NULL, "", "10.0.0.1"), 6);
	client_rules_free(&r);
	r = rules_of("");
	assert_int_equal(decides(r, &alice, "x", "", "10.0.0.1"), 0);
	client_rules_free(&r);
}

static void
test_mistakes(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *why;
	} cases[] = {
		{ "allow\npermit cn=x\n", 2, "\"permit\" is none of allow, deny and group" },
		{ "allow user=x", 1, "\"user\" is none of" },
		{ "\n\nallow cn=", 3, "\"cn\" is none of" },
		{ "allow cn=x cn=y", 1, "cn= is given twice" },
		{ "allow fingerprint=AA:BB", 1, "fingerprint= is not a SHA-256" },
		{ "allow from=10.0.0.1/8", 1, "from=10.0.0.1/8 is not a list" },
		{ "allow cn=x\nallow group=b\ngroup a cn=x", 2,
		    "group=b: no line says \"group b ...\"" },
		{ "allow group=b", 1, "group=b: no line" },
		{ "group b cn=x\ngroup a cn=x\ngroup b cn=y", 3, "group b is in line 1 already" },
		{ "group", 1, "group has no name" },
		{ "group  \t", 1, "group has no name" },
		{ "group cn=x", 1, "group has no name" },
		{ "\ngroup a ", 2, "group a has no members" },
		{ "group a login=x", 1, "\"login\" is none of fingerprint= cn= ou= san= with" },
		{ "group a group=a", 1, "\"group\" is none of" },
		{ "group a fingerprint=AA", 1, "fingerprint= is not a SHA-256" },
	};
	struct client_rules *r;
	struct reason why;
	unsigned int line;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(client_rules_parse((struct bytes){ (const uint8_t *)cases[i].text,
							strlen(cases[i].text) },
				     &r, &line, &why),
		    ERR_FORMAT);
		assert_null(r);
		assert_int_equal(line, cases[i].line);
		if (strncmp(why.text, cases[i].why, strlen(cases[i].why)) != 0)
			fail_msg("%s", why.text);
	}
}

static void
test_groups(void **state)
{
	struct client_rules *r = rules_of("deny group=gone\n"
					  "group gone cn=carol fingerprint=" HASH_B "\n"
					  "allow group=all-staff login=web* cn=al*\n"
					  "group all-staff ou=st* san=email:*@example.net cn=bob\n"
					  "deny cn=alice host=secret\n"
					  "allow group=people\n"
					  "group  people\tcn=bob cn=a*  cn=dora\r\n"
					  "group unused cn=alice\n"
					  "allow cn=dora");
	const struct lookup_certificate carol = { HASH_A, "carol", &units, &none },
					dora = { HASH_A, "dora", &none, &none };

	(void)state;
	assert_int_equal(decides(r, &carol, "web", "", ""), -1);
	assert_int_equal(decides(r, &bob, "web", "", ""), -1);
	assert_int_equal(decides(r, &alice, "web1", "", ""), 3);
	assert_int_equal(decides(r, &alice, NULL, "", ""), 3);
	assert_int_equal(decides(r, &alice, "x", "secret", ""), -5);
	assert_int_equal(decides(r, &alice, "x", "", ""), 6);
	assert_int_equal(decides(r, &dora, "web1", "", ""), 6);
	client_rules_free(&r);
	r = rules_of("group a cn=alice\nallow group=a");
	assert_int_equal(decides(r, &bob, "x", "", ""), 0);
	client_rules_free(&r);
}

/* Each of 100,000 certificates has its rule, found as if each were tried. */
static void
test_many(void **state)
{
	struct lookup_certificate c = { HASH_B, "", &none, &none };
	struct client_rules *r;
	char cn[32];
	struct buf text;
	int i;

	(void)state;
	buf_init(&text, CLIENT_RULES_SIZE_MAX);
	for (i = 1; i < CLIENT_RULES_MAX; i++)
		buf_putf(&text, "%s cn=user%d\n", i % 2 == 0 ? "deny" : "allow", i);
	buf_putf(&text, "allow cn=u*\n");
	r = rules_of(buf_cstr(&text));
	c.cn = cn;
	for (i = 1; i < CLIENT_RULES_MAX; i++) {
		snprintf(cn, sizeof(cn), "user%d", i);
		assert_int_equal(decides(r, &c, "x", "", ""), i % 2 == 0 ? -i : i);
	}
	snprintf(cn, sizeof(cn), "usher");
	assert_int_equal(decides(r, &c, "x", "", ""), CLIENT_RULES_MAX);
	client_rules_free(&r);
	buf_free(&text);
}

/* 50,000 groups with the most members that there may be, and a rule for each. */
static void
test_many_groups(void **state)
{
	struct lookup_certificate c = { HASH_B, "", &none, &none };
	const int n = CLIENT_RULES_MAX / 2;
	struct client_rules *r;
	struct reason why;
	unsigned int line;
	struct buf text;
	char cn[32];
	int i;

	(void)state;
	buf_init(&text, CLIENT_RULES_SIZE_MAX);
	for (i = 1; i <= n; i++)
		buf_putf(&text, "%s group=g%d\n", i % 2 == 0 ? "deny" : "allow", i);
	for (i = 1; i <= n; i++)
		buf_putf(&text, "group g%d cn=user%d cn=other%d\n", i, i, i);
	r = rules_of(buf_cstr(&text));
	c.cn = cn;
	for (i = 1; i <= n; i++) {
		snprintf(cn, sizeof(cn), "user%d", i);
		assert_int_equal(decides(r, &c, "x", "", ""), i % 2 == 0 ? -i : i);
		snprintf(cn, sizeof(cn), "other%d", i);
		assert_int_equal(decides(r, &c, "x", "", ""), i % 2 == 0 ? -i : i);
	}
	client_rules_free(&r);
	buf_putf(&text, "group more cn=x\n");
	assert_int_equal(client_rules_parse(buf_bytes(&text), &r, &line, &why), ERR_TOOBIG);
	assert_int_equal(line, CLIENT_RULES_MAX + 1);
	assert_string_equal(why.text, "more than 100000 members of groups");
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_rule_decides),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
