/*
 * lookup/route_match.c: several sections for one login, of which their conditions choose one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lookup_lab.h"
#include "tmp_dir.h"

#define FP_A "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
#define FP_B "SHA256:57DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"

static struct lookup_lab lab;

static int
unload(void **state)
{
	(void)state;
	lookup_lab_free(&lab);
	return 0;
}

/* The request leads to this host; NULL: nowhere. */
static void
assert_leads(const struct lookup_request *request, const char *host)
{
	struct lookup_pending pending;
	struct route *r;

	assert_int_equal(lookup_begin(lab.lookup, request, &pending, &r),
	    host == NULL ? LOOKUP_NOT_FOUND : LOOKUP_FOUND);
	if (host != NULL)
		assert_string_equal(r->hosts.v[0], host);
	else
		assert_null(r);
	route_free(&r);
}

/* The login leads to this host (NULL: nowhere), and by_key says whether that depends on the key. */
static void
leads(const char *login, const char *client, const char *local, const char *key, const char *host,
    int by_key)
{
	int asked = -1;
	struct lookup_request request = { .login = login,
		.client_address = client,
		.local_address = local,
		.fingerprint = key,
		.by_key = &asked };

	assert_leads(&request, host);
	assert_int_equal(asked, by_key ? LOOKUP_WANTS_KEY : 0);
}

#define ROUTE(name, host, match) "[route " name "]\nHostName = " host "\n" match REST_OF_ROUTE

static void
test_labels(void **state)
{
	(void)state;
	lookup_lab_load(&lab,
	    ROUTE("alice", "plain", "") ROUTE("alice/office", "office",
		"MatchAddress = 10.0.0.0/8 !10.9.0.0/16\n")
		ROUTE("alice/v6", "v6", "MatchAddress = fe80::%eth0/10, 2001:db8::/32, 10.9.0.1\n")
		    ROUTE("alice/back", "back", "MatchLocalAddress = 192.0.2.*\n"));
	leads("alice", "203.0.113.1", "198.51.100.1", "", "plain", 0);
	leads("alice", "10.1.0.1", "198.51.100.1", "", "office", 0);
	leads("alice", "::ffff:10.1.0.1", "198.51.100.1", "", "office", 0);
	leads("alice", "10.9.0.1", "198.51.100.1", "", "v6", 0);
	leads("alice", "10.9.0.2", "198.51.100.1", "", "plain", 0);
	leads("alice", "::ffff:10.9.0.1", "198.51.100.1", "", "v6", 0);
	leads("alice", "2001:db8::1", "198.51.100.1", "", "v6", 0);
	leads("alice", "fe80::1%eth0", "198.51.100.1", "", "v6", 0);
	leads("alice", "fe80::1%eth1", "198.51.100.1", "", "plain", 0);
	leads("alice", "10.9.0.2", "192.0.2.7", "", "back", 0);
	leads("alice", "", "", "", "plain", 0);
	leads("alice/office", "10.1.0.1", "192.0.2.7", "", NULL, 0);
}

static void
test_ports(void **state)
{
	static const struct {
		unsigned int port;
		const char *local, *host;
	} cases[] = {
		{ 22, "192.0.2.7", "inside" }, { 2222, "192.0.2.7", "inside" },
		{ 443, "192.0.2.7", "https" }, { 443, "192.0.2.8", "plain" },
		{ 222, "192.0.2.7", "plain" }, { 0, "192.0.2.7", "plain" }, /* not known */
	};
	struct lookup_request request = { .login = "alice",
		.client_address = "",
		.fingerprint = "" };
	size_t i;

	(void)state;
	lookup_lab_load(&lab,
	    ROUTE("alice", "plain", "") ROUTE("alice/in", "inside", "MatchLocalPort = 22 2222\n")
		ROUTE("alice/tls", "https",
		    "MatchLocalPort = 443\nMatchLocalAddress = 192.0.2.7\n"));
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request.local_address = cases[i].local;
		request.local_port = cases[i].port;
		assert_leads(&request, cases[i].host);
	}
	lookup_lab_refuses(ROUTE("bob/x", "x", "MatchLocalPort = 22,443\n"),
	    "conf.d/a.ini:3: MatchLocalPort: \"22,443\" is not a port from 1 to 65535\n");
	lookup_lab_refuses(ROUTE("bob/x", "x", "MatchLocalPort = 65536\n"),
	    "conf.d/a.ini:3: MatchLocalPort: \"65536\" is not a port from 1 to 65535\n");
}

static void
test_hosts(void **state)
{
	static const struct {
		const char *login, *host, *leads;
	} cases[] = {
		{ "alice", "vm1.example.org", "exact" },
		{ "alice", "vm2.example.org", "exact" },
		{ "alice", "vm3.example.org", "pattern" },
		{ "alice", "a.b.example.org", "pattern" },
		{ "alice", "192.0.2.7", "address" },
		{ "alice", "2001:db8::7", "address" },
		{ "alice", "example.org", "plain" },
		{ "alice", "", "plain" },
		{ "alice", NULL, "plain" }, /* not known */
		{ "bob", "vm1.example.org", "bob" },
		{ "bob", "", NULL },
	};
	struct lookup_request request = { .client_address = "",
		.local_address = "",
		.fingerprint = "" };
	size_t i;

	(void)state;
	lookup_lab_load(&lab,
	    ROUTE("alice", "plain", "")
		ROUTE("alice/vm", "exact", "MatchHost = VM1.example.org vm2.example.org\n")
		    ROUTE("alice/rest", "pattern", "MatchHost = *.example.org\n")
			ROUTE("alice/ip", "address", "MatchHost = 192.0.2.? 2001:DB8::7\n")
			    ROUTE("bob", "bob", "MatchHost = *\n"));
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request.login = cases[i].login;
		request.host = cases[i].host;
		assert_leads(&request, cases[i].leads);
	}
	lookup_lab_refuses(ROUTE("bob/x", "x", "MatchHost = a,b\n"),
	    "conf.d/a.ini:3: MatchHost: \"a,b\" is not a host name, an address, or a pattern with "
	    "* and ? such as *.example.com\n");
}

/* HostName = %n is the host that the connection names. */
static void
test_host_of_the_connection(void **state)
{
	struct lookup_request request = { .login = "alice",
		.client_address = "",
		.local_address = "",
		.fingerprint = "",
		.host = "vm1.example.org" };
	struct lookup_pending pending;
	struct route *r;

	(void)state;
	lookup_lab_load(&lab,
	    ROUTE("alice", "%n.internal",
		"MatchHost = *.example.org\nAllowDestinations = *.internal\nUser = u-%n\n"));
	assert_int_equal(lookup_begin(lab.lookup, &request, &pending, &r), LOOKUP_FOUND);
	assert_string_equal(r->hosts.v[0], "vm1.example.org.internal");
	assert_string_equal(r->user, "u-vm1.example.org");
	assert_true(route_may_dial(r, r->hosts.v[0]));
	assert_false(route_may_dial(r, "vm1.example.org"));
	route_free(&r);
}

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* The certificate of a TLS client; NULL: there is none. */
static void
test_client_certificates(void **state)
{
	static char staff[] = "staff", guests[] = "our guests", dns[] = "DNS:a.example.org",
		    email[] = "email:bob@example.org";
	static char *staff_v[] = { staff, NULL }, *guests_v[] = { guests, NULL },
		    *names_v[] = { dns, email, NULL };
	static const struct strlist none = { NULL, 0 }, in_staff = { staff_v, 1 },
				    in_guests = { guests_v, 1 }, names = { names_v, 2 };
	static const struct lookup_certificate alice = { HASH_A, "Alice", &in_staff, &none },
					       bob = { HASH_B, "Bob", &in_guests, &names },
					       eve = { HASH_B, "", &none, &none };
	static const struct {
		const char *login;
		const struct lookup_certificate *certificate;
		const char *leads;
	} cases[] = {
		{ "cn", &alice, "alice" },
		{ "cn", &bob, "other" },
		{ "cn", &eve, "other" },
		{ "cn", NULL, "other" },
		{ "ou", &alice, "staff" },
		{ "ou", &bob, "guests" },
		{ "ou", &eve, NULL },
		{ "ou", NULL, NULL },
		{ "san", &bob, "san" },
		{ "san", &alice, NULL },
		{ "hash", &alice, "hash" },
		{ "hash", &bob, NULL },
		{ "hash", NULL, NULL },
		{ "both", &bob, "both" },
		{ "both", &eve, NULL },
	};
	struct lookup_request request = { .client_address = "",
		.local_address = "",
		.fingerprint = "" };
	size_t i;

	(void)state;
	lookup_lab_load(&lab,
	    ROUTE("cn", "other", "") ROUTE("cn/a", "alice", "MatchClientCN = A*e\n")
		ROUTE("ou/s", "staff", "MatchClientOU = staff\n")
		    ROUTE("ou/g", "guests", "MatchClientOU = our?guests\n") ROUTE("san", "san",
			"MatchClientSAN = DNS:x DNS:*.EXAMPLE.org\n") ROUTE("hash", "hash",
			"MatchClientFingerprint = AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:"
			"AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA\n") ROUTE("both",
			"both", "MatchClientCN = Bob\nMatchClientFingerprint = " HASH_B "\n"));
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request.login = cases[i].login;
		request.certificate = cases[i].certificate;
		assert_leads(&request, cases[i].leads);
	}
	lookup_lab_refuses(ROUTE("bob/x", "x", "MatchClientSAN = example.org\n"),
	    "conf.d/a.ini:3: MatchClientSAN: \"example.org\" does not begin with DNS: email: URI: or "
	    "IP:, as in DNS:*.example.org\n");
	lookup_lab_refuses(ROUTE("bob/x", "x", "MatchClientFingerprint = AA:BB\n"),
	    "conf.d/a.ini:3: MatchClientFingerprint: \"AA:BB\" is not what openssl x509 -noout "
	    "-fingerprint -sha256 prints behind the =\n");
}

static void
test_fingerprints(void **state)
{
	(void)state;
	lookup_lab_load(&lab,
	    ROUTE("git/a", "a", "MatchFingerprint = " FP_A "\n")
		ROUTE("git/b", "b", "MatchFingerprint = " FP_B "\nMatchAddress = 10.0.0.1\n")
		    ROUTE("bob", "bob", "") ROUTE("one", "one", "MatchFingerprint = " FP_A "\n"));
	leads("git", "10.0.0.1", "", "", NULL, 1);
	leads("git", "10.0.0.1", "", FP_A, "a", 1);
	leads("git", "10.0.0.1", "", FP_B, "b", 1);
	leads("git", "10.0.0.2", "", FP_B, NULL, 1);
	leads("bob", "10.0.0.1", "", "", "bob", 0);
	leads("one", "10.0.0.1", "", FP_B, NULL, 1);
	leads("one", "10.0.0.1", "", FP_A, "one", 1);
	leads("nobody", "10.0.0.1", "", FP_A, NULL, 0);
}

/* An exact name whose conditions do not hold is passed over; patterns keep their order. */
static void
test_patterns(void **state)
{
	(void)state;
	lookup_lab_load(&lab,
	    ROUTE("dev-*", "first-%1", "") ROUTE("*-x", "second-%1", "")
		ROUTE("dev-*/night", "night-%1", "MatchAddress = 10.0.0.1\n")
		    ROUTE("dev-x/only", "exact", "MatchAddress = 10.0.0.2\n"));
	leads("dev-x", "10.0.0.1", "", "", "night-x", 0);
	leads("dev-x", "10.0.0.2", "", "", "exact", 0);
	leads("dev-x", "10.0.0.3", "", "", "first-x", 0);
	leads("a-x", "10.0.0.1", "", "", "second-a", 0);
	leads("dev-*", "10.0.0.3", "", "", NULL, 0); /* no host name comes of it */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_labels, unload),
		cmocka_unit_test_teardown(test_ports, unload),
		cmocka_unit_test_teardown(test_hosts, unload),
		cmocka_unit_test_teardown(test_client_certificates, unload),
		cmocka_unit_test_teardown(test_host_of_the_connection, unload),
		cmocka_unit_test_teardown(test_fingerprints, unload),
		cmocka_unit_test_teardown(test_patterns, unload),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
