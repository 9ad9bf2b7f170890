/*
 * access/client_rules: the input is a file, and the client a fixed one.  A rule that decides is one of its lines, and
 * rules without a login decide the same whoever logs in.
 */
#include <string.h>

#include "access/client_rules.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char unit[] = "staff", name[] = "DNS:a.example.org";
	static char *unit_v[] = { unit, NULL }, *name_v[] = { name, NULL };
	static const struct strlist units = { unit_v, 1 }, names = { name_v, 1 };
	static const struct lookup_certificate c = {
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "alice", &units,
		&names
	};
	struct client_rules_request q = { &c, "alice", "vm1", "192.0.2.1" };
	struct client_rules *rules;
	struct reason why;
	unsigned int line, other, last;
	int allowed;

	if (client_rules_parse((struct bytes){ data, len }, &rules, &last, &why) != 0) {
		CHECK(rules == NULL && why.text[0] != '\0');
		return 0;
	}
	allowed = client_rules_allow(rules, &q, &line);
	CHECK(line <= last && (line > 0 || !allowed));
	q.login = "";
	(void)client_rules_allow(rules, &q, &other);
	CHECK(other <= last);
	/* before the login is known, whatever is allowed then may be allowed now */
	q.login = NULL;
	CHECK(!allowed || client_rules_allow(rules, &q, &other));
	client_rules_free(&rules);
	return 0;
}
