/*
 * auth/cert, auth/revoked: certificates and revocation lists by ssh-keygen(1), and what is
 * made of them when bytes of them are changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <sodium.h>

#include "formats/authorized_options.h"
#include "formats/cert.h"
#include "formats/key_list.h"
#include "formats/pubkey.h"
#include "formats/krl.h"
#include "cert_samples.h"

#define NOW 1700000000

static void
decode(const char *line, struct buf *blob)
{
	buf_init(blob, 65536);
	assert_int_equal(pubkey_parse(line, strlen(line), blob), 0);
}

static const struct sample {
	const char *type, *cert, *key;
} samples[] = {
	{ "ssh-ed25519", ED25519_CERT, ED25519_KEY },
	{ "ecdsa-sha2-nistp256", P256_CERT, P256_KEY },
	{ "ecdsa-sha2-nistp384", P384_CERT, P384_KEY },
	{ "ecdsa-sha2-nistp521", P521_CERT, P521_KEY },
	{ "ssh-rsa", RSA_CERT, RSA_KEY },
	{ "sk-ssh-ed25519@openssh.com", SKED25519_CERT, SKED25519_KEY },
	{ "sk-ecdsa-sha2-nistp256@openssh.com", SKP256_CERT, SKP256_KEY },
};

#define NSAMPLES (sizeof(samples) / sizeof(samples[0]))

static void
test_every_type(void **state)
{
	struct reason why;
	char of_cert[PUBKEY_FINGERPRINT_SIZE], of_key[PUBKEY_FINGERPRINT_SIZE];
	struct buf blob, key, plain, ca;
	struct cert c;
	size_t i;

	(void)state;
	decode(CA_KEY, &ca);
	for (i = 0; i < NSAMPLES; i++) {
		decode(samples[i].cert, &blob);
		decode(samples[i].key, &key);
		buf_init(&plain, 65536);
		assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
		assert_string_equal(c.key_type, samples[i].type);
		assert_int_equal(c.kind, CERT_USER);
		assert_int_equal(c.serial, 7);
		assert_true(bytes_is(c.key_id, "an id"));
		assert_true(bytes_equal(c.ca, buf_bytes(&ca)));
		assert_true(cert_has_principal(&c, "alice") && cert_has_principal(&c, "bob"));
		assert_false(cert_has_principal(&c, "carol") || cert_has_principal(&c, "") ||
		    cert_has_principal(&c, "alic") || cert_has_principal(&c, "*") ||
		    cert_has_principal(&c, "alice,bob"));
		assert_true(cert_valid(&c, CERT_USER, NOW, &why));
		cert_put_key(buf_bytes(&blob), &plain);
		assert_true(bytes_equal(buf_bytes(&plain), buf_bytes(&key)));
		pubkey_fingerprint(buf_bytes(&blob), of_cert);
		pubkey_fingerprint(buf_bytes(&key), of_key);
		assert_string_equal(of_cert, of_key);
		assert_int_equal(cert_parse(&c, buf_bytes(&key)), ERR_ALGORITHM);
		buf_free(&plain);
		buf_free(&key);
		buf_free(&blob);
	}
	buf_free(&ca);
}

static void
test_what_the_log_says(void **state)
{
	char shown[CERT_SHOW_SIZE], expected[CERT_SHOW_SIZE], ca[PUBKEY_FINGERPRINT_SIZE];
	struct buf blob;
	struct cert c;

	(void)state;
	decode(CA_KEY, &blob);
	pubkey_fingerprint(buf_bytes(&blob), ca);
	buf_free(&blob);
	snprintf(expected, sizeof(expected), "ID an id (serial 7) CA ED25519 %s", ca);
	decode(ED25519_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	assert_string_equal(cert_show(&c, shown), expected);
	c.key_id = (struct bytes){ (const uint8_t *)"a\nb", 3 };
	assert_non_null(strstr(cert_show(&c, shown), "ID a\\012b (serial 7)"));
	buf_free(&blob);
}

static void
test_algorithms(void **state)
{
	static const char rsa[] = "ssh-rsa-cert-v01@openssh.com";
	static const char ed[] = "ssh-ed25519-cert-v01@openssh.com";

	(void)state;
	assert_string_equal(cert_algorithm(ed, ed), "ssh-ed25519");
	assert_string_equal(cert_algorithm(rsa, "rsa-sha2-256-cert-v01@openssh.com"),
	    "rsa-sha2-256");
	assert_string_equal(cert_algorithm(rsa, "rsa-sha2-512-cert-v01@openssh.com"),
	    "rsa-sha2-512");
	assert_null(cert_algorithm(rsa, rsa));
	assert_null(cert_algorithm(rsa, "rsa-sha2-512"));
	assert_null(cert_algorithm(ed, "ssh-ed25519"));
	assert_null(cert_algorithm(ed, rsa));
	assert_null(cert_algorithm("ssh-ed25519", "ssh-ed25519"));
	assert_null(cert_algorithm("ssh-dss-cert-v01@openssh.com", "ssh-dss-cert-v01@openssh.com"));
	assert_string_equal(cert_algorithm_for(ed, "ssh-ed25519"), ed);
	assert_string_equal(cert_algorithm_for(rsa, "rsa-sha2-256"),
	    "rsa-sha2-256-cert-v01@openssh.com");
	assert_null(cert_algorithm_for(rsa, "ssh-rsa"));
}

static void
test_validity(void **state)
{
	struct buf blob;
	struct cert c;
	struct reason why;

	(void)state;
	decode(ED25519_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	assert_int_equal(c.valid_after, 1577836800);
	assert_true(cert_valid(&c, CERT_USER, 1577836800, &why));
	assert_false(cert_valid(&c, CERT_USER, 1577836799, &why));
	assert_string_equal(why.text, "the certificate is not valid before 2020-01-01 00:00:00Z");
	assert_false(cert_valid(&c, CERT_USER, -1, &why));
	assert_true(cert_valid(&c, CERT_USER, (time_t)c.valid_before - 1, &why));
	assert_false(cert_valid(&c, CERT_USER, (time_t)c.valid_before, &why));
	assert_string_equal(why.text,
	    "the certificate has expired: it was valid until 2040-01-01 00:00:00Z");
	c.valid_before = UINT64_MAX;
	assert_true(cert_valid(&c, CERT_USER, (time_t)INT64_MAX, &why));
	c.valid_after = UINT64_MAX;
	assert_false(cert_valid(&c, CERT_USER, NOW, &why));
	assert_string_equal(why.text, "the certificate is not valid before a distant day");
	buf_free(&blob);

	decode(HOST_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	assert_false(cert_valid(&c, CERT_USER, NOW, &why));
	assert_string_equal(why.text, "the certificate is a host's, not a user's");
	buf_free(&blob);
}

static void
test_hosts(void **state)
{
	struct buf blob;
	struct cert c;
	struct reason why;

	(void)state;
	decode(HOST_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	assert_true(cert_names_host(&c, "alice", NOW, &why));
	assert_false(cert_names_host(&c, "carol", NOW, &why));
	assert_string_equal(why.text, "carol is not a principal of the certificate");
	assert_false(cert_names_host(&c, "Alice", NOW, &why));
	assert_false(cert_names_host(&c, "alice", (time_t)c.valid_before, &why));
	c.critical = c.principals;
	assert_false(cert_names_host(&c, "alice", NOW, &why));
	c.critical.len = c.principals.len = 0;
	assert_true(cert_names_host(&c, "carol", NOW, &why));
	buf_free(&blob);

	decode(ED25519_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	assert_false(cert_names_host(&c, "alice", NOW, &why));
	assert_string_equal(why.text, "the certificate is a user's, not a host's");
	buf_free(&blob);

	assert_true(cert_is_algorithm("rsa-sha2-256-cert-v01@openssh.com"));
	assert_true(cert_is_algorithm("ssh-ed25519-cert-v01@openssh.com"));
	assert_false(cert_is_algorithm("ssh-rsa-cert-v01@openssh.com"));
	assert_false(cert_is_algorithm("ssh-ed25519"));
}

/* Options of a certificate for this address: 1 or 0. */
static int
options_of(const char *line, const char *address, struct authorized_options *o, struct reason *why)
{
	struct buf blob;
	struct cert c;
	int ok;

	decode(line, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	ok = cert_options(&c, address, o, why);
	buf_free(&blob);
	return ok;
}

static void
test_options(void **state)
{
	struct authorized_options o;
	struct reason why;

	(void)state;
	assert_true(options_of(ED25519_CERT, "203.0.113.9", &o, &why));
	assert_int_equal(o.permits, AUTHORIZED_ALL);
	assert_null(o.command);
	assert_int_equal(o.no_touch_required + o.verify_required, 0);
	authorized_options_free(&o);

	assert_true(options_of(OPTIONS_CERT, "192.0.2.200", &o, &why));
	assert_int_equal(o.permits, AUTHORIZED_PTY);
	assert_string_equal(o.command, "echo hi");
	assert_int_equal(o.no_touch_required, 1);
	authorized_options_free(&o);
	assert_true(options_of(OPTIONS_CERT, "2001:db8::1", &o, &why));
	authorized_options_free(&o);
	assert_false(options_of(OPTIONS_CERT, "192.0.3.1", &o, &why));
	assert_string_equal(why.text, "the certificate is not for this address (source-address)");
	assert_null(o.command);
	assert_false(options_of(OPTIONS_CERT, "2001:db8::2", &o, &why));

	assert_true(options_of(STRICT_CERT, "203.0.113.9", &o, &why));
	assert_int_equal(o.permits, AUTHORIZED_ALL & ~AUTHORIZED_AGENT_FORWARDING);
	assert_int_equal(o.verify_required, 1);
	assert_int_equal(o.no_touch_required, 0);
	authorized_options_free(&o);

	assert_false(options_of(CRITICAL_CERT, "203.0.113.9", &o, &why));
	assert_string_equal(why.text,
	    "the certificate has a critical option that is not supported: sundays@example.com");
}

static void
test_source_address(void **state)
{
	static const struct {
		const char *list;
		int match;
	} lists[] = {
		{ "192.0.2.9", 1 },
		{ "192.0.2.0/24", 1 },
		{ "198.51.100.1,192.0.2.0/28", 1 },
		{ "0.0.0.0/0", 1 },
		{ "::/0", 0 },
		{ "192.0.2.9/032", 1 },
		{ "192.521", 1 },
		{ "::ffff:192.0.2.9", 0 }, /* nor is it for sshd */
		{ "::ffff:192.0.2.9,192.0.2.9", 1 },
		{ "198.51.100.0/24", 0 },
		{ "", -1 },
		{ "192.0.2.0/24,", -1 },
		{ ",192.0.2.0/24", -1 },
		{ "192.0.2.9/24", -1 }, /* bits behind the prefix */
		{ "192.0.2.0/33", -1 },
		{ "192.0.2.*", -1 },
		{ "192.0.2.9/", -1 },
		{ "192.0.2.9/129", -1 },
		{ "192.0.2.9,,192.0.2.9", -1 },
		{ "192.0.2.9,fe80::1%eth0", -1 },
		{ "192.0.2.9,0000000000000000000000000000000000000000000000300.0.2.9", -1 },
		{ "!198.51.100.1", -1 },
		{ "192.0.2.0/24,host.example", -1 },
		{ "192.0.2.0/24, 198.51.100.1", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		assert_int_equal(address_match_blocks("192.0.2.9", lists[i].list), lists[i].match);
	assert_int_equal(address_match_blocks("", "0.0.0.0/0"), -1);
}

/* --- of our own making: fields in the order of PROTOCOL.certkeys --- */

struct fields {
	const char *type;
	uint32_t kind;
	struct buf principals, critical, extensions;
	const char *ca; /* public line */
	const char *signature;
	const char *behind;
};

static int
parse_fields(const struct fields *f)
{
	struct buf blob, key, ca, sig;
	struct cert c;
	int r;

	buf_init(&blob, 1 << 20);
	buf_init(&sig, 1000);
	decode(ED25519_KEY, &key);
	decode(f->ca, &ca);
	wire_put_text(&blob, f->type);
	wire_put_text(&blob, "nonce");
	buf_put(&blob, key.data + 4 + 11, key.len - 4 - 11);
	wire_put_u64(&blob, 1);
	wire_put_u32(&blob, f->kind);
	wire_put_text(&blob, "id");
	wire_put_string(&blob, f->principals.data, f->principals.len);
	wire_put_u64(&blob, 0);
	wire_put_u64(&blob, UINT64_MAX);
	wire_put_string(&blob, f->critical.data, f->critical.len);
	wire_put_string(&blob, f->extensions.data, f->extensions.len);
	wire_put_text(&blob, "");
	wire_put_string(&blob, ca.data, ca.len);
	wire_put_text(&sig, f->signature);
	wire_put_text(&sig, "0123456789");
	wire_put_string(&blob, sig.data, sig.len);
	buf_put(&blob, f->behind, strlen(f->behind));
	assert_int_equal(buf_err(&blob), 0);
	r = cert_parse(&c, buf_bytes(&blob));
	buf_free(&sig);
	buf_free(&ca);
	buf_free(&key);
	buf_free(&blob);
	return r;
}

static struct fields
good_fields(void)
{
	struct fields f = { .type = "ssh-ed25519-cert-v01@openssh.com",
		.kind = CERT_USER,
		.ca = CA_KEY,
		.signature = "ssh-ed25519",
		.behind = "" };

	buf_init(&f.principals, 1 << 20);
	buf_init(&f.critical, 1 << 20);
	buf_init(&f.extensions, 1 << 20);
	return f;
}

static void
test_fields(void **state)
{
	struct fields f = good_fields();
	int i;

	(void)state;
	assert_int_equal(parse_fields(&f), 0);
	f.kind = 3;
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	f.kind = 0;
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	f.kind = CERT_HOST;
	assert_int_equal(parse_fields(&f), 0);
	f.behind = "x";
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	f.behind = "";
	f.type = "ssh-dss-cert-v01@openssh.com";
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.type = "ssh-ed25519-cert-v00@openssh.com";
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.type = "ecdsa-sha2-nistp256-cert-v01@openssh.com";
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	f = good_fields();

	f.ca = ED25519_CERT; /* a CA that is a certificate */
	f.signature = "ssh-ed25519-cert-v01@openssh.com";
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.signature = "ssh-ed25519";
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.ca = RSA_CA_KEY;
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.signature = "ssh-rsa";
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.signature = "rsa-sha2-256";
	assert_int_equal(parse_fields(&f), 0);

	for (i = 0; i < CERT_PRINCIPALS_MAX; i++)
		wire_put_text(&f.principals, "p");
	assert_int_equal(parse_fields(&f), 0);
	wire_put_text(&f.principals, "p");
	assert_int_equal(parse_fields(&f), ERR_TOOBIG);
	buf_reset(&f.principals);
	wire_put_string(&f.principals, "a\0b", 3);
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	buf_reset(&f.principals);
	buf_put(&f.principals, "\0\0\0\5abc", 7);
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	buf_reset(&f.principals);
	for (i = 0; i <= CERT_OPTIONS_MAX; i++) {
		assert_int_equal(parse_fields(&f), 0);
		wire_put_text(&f.critical, "o");
		wire_put_text(&f.critical, "");
	}
	assert_int_equal(parse_fields(&f), ERR_TOOBIG);
	buf_reset(&f.critical);
	wire_put_text(&f.extensions, "without a value");
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	buf_free(&f.principals);
	buf_free(&f.critical);
	buf_free(&f.extensions);
}

static void
test_sha1_is_refused(void **state)
{
	struct buf blob;
	struct cert c;

	(void)state;
	decode(SHA1_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), ERR_ALGORITHM);
	buf_free(&blob);
	decode(RSA_CA_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	buf_free(&blob);
}

/* A CA whose signatures take long to check; nobody has to have made one. */
static int
parse_rsa_ca(size_t modulus, size_t exponent)
{
	static uint8_t number[4096];
	struct buf ca, line;
	struct fields f = good_fields();
	int r;

	number[0] = 0x7f;
	buf_init(&ca, 65536);
	buf_init(&line, 65536);
	wire_put_text(&ca, "ssh-rsa");
	wire_put_string(&ca, number, exponent);
	wire_put_string(&ca, number, modulus);
	pubkey_format(buf_bytes(&ca), &line);
	f.ca = buf_cstr(&line);
	f.signature = "rsa-sha2-512";
	r = parse_fields(&f);
	buf_free(&line);
	buf_free(&ca);
	return r;
}

static void
test_ca_that_costs_much(void **state)
{
	(void)state;
	assert_int_equal(parse_rsa_ca(256, 3), ERR_WEAK);
	assert_int_equal(parse_rsa_ca(257, 3), 0);
	assert_int_equal(parse_rsa_ca(1024, 4), 0);
	assert_int_equal(parse_rsa_ca(1025, 3), ERR_COSTLY);
	assert_int_equal(parse_rsa_ca(257, 5), 0);
	assert_int_equal(parse_rsa_ca(257, 6), ERR_COSTLY);
}

/* --- authorized_keys --- */

/* Does a file with this line let the certificate in as alice?  The options, if so. */
static int
line_takes(const char *options, const char *key, const char *cert, struct authorized_options *o,
    struct reason *why)
{
	struct authorized_request request = { .address = "203.0.113.9",
		.login = "alice",
		.now = NOW };
	char text[4096];
	struct buf blob;
	struct cert c;
	int found;

	decode(cert, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	request.blob = buf_bytes(&blob);
	request.cert = &c;
	snprintf(text, sizeof(text), "# who\n%s %s a comment\n", options, key);
	found = authorized_keys_find(text, strlen(text), &request, o, why);
	buf_free(&blob);
	return found;
}

static void
expect_refused(const char *options, const char *key, const char *cert, const char *reason)
{
	struct authorized_options o;
	struct reason why;

	assert_int_equal(line_takes(options, key, cert, &o, &why), 0);
	assert_string_equal(why.text, reason);
}

static void
test_cert_authority(void **state)
{
	struct authorized_options o;
	struct reason why;

	(void)state;
	assert_int_equal(line_takes("cert-authority", CA_KEY, ED25519_CERT, &o, &why), 1);
	assert_int_equal(o.permits, AUTHORIZED_ALL);
	assert_int_equal(o.line, 2);
	authorized_options_free(&o);
	assert_int_equal(line_takes("cert-authority,principals=\"x,bob\",no-pty,verify-required",
			     CA_KEY, STRICT_CERT, &o, &why),
	    1);
	assert_int_equal(o.permits,
	    AUTHORIZED_ALL & ~AUTHORIZED_AGENT_FORWARDING & ~AUTHORIZED_PTY);
	assert_int_equal(o.verify_required, 1);
	authorized_options_free(&o);

	expect_refused("", CA_KEY, ED25519_CERT, "line 2: the CA is there without cert-authority");
	expect_refused("cert-authority", RSA_CA_KEY, ED25519_CERT, "");
	expect_refused("cert-authority", ED25519_KEY, ED25519_CERT, "");
	expect_refused("cert-authority", ED25519_CERT, ED25519_CERT, "");
	expect_refused("cert-authority,principals=\"Alice,alice2\"", CA_KEY, ED25519_CERT,
	    "line 2: none of principals= is a principal of the certificate");
	/* names as they are, and none behind an empty one */
	assert_int_equal(line_takes("cert-authority,principals=\"!x,bob,\"", CA_KEY, STRICT_CERT,
			     &o, &why),
	    1);
	assert_int_equal(o.principals.n, 2);
	authorized_options_free(&o);
	expect_refused("cert-authority,principals=\"x,,bob\"", CA_KEY, STRICT_CERT,
	    "line 2: none of principals= is a principal of the certificate");
	expect_refused("cert-authority,principals=\"!bob\"", CA_KEY, STRICT_CERT,
	    "line 2: none of principals= is a principal of the certificate");
	expect_refused("cert-authority,principals=\",bob\"", CA_KEY, STRICT_CERT,
	    "line 2: bad principals=");
	expect_refused("cert-authority,principals=\"\"", CA_KEY, NOBODY_CERT,
	    "line 2: bad principals=");
	expect_refused("cert-authority", CA_KEY, NOBODY_CERT,
	    "line 2: the login is not a principal of the certificate");
	expect_refused("cert-authority,from=\"192.0.2.1\"", CA_KEY, ED25519_CERT,
	    "line 2: from= does not match");
	expect_refused("cert-authority", CA_KEY, CRITICAL_CERT,
	    "line 2: the certificate has a critical option that is not supported: "
	    "sundays@example.com");
}

static void
test_merge(void **state)
{
	struct authorized_options line = { .permits = AUTHORIZED_ALL, .no_touch_required = 1 };
	struct authorized_options cert = { .permits = AUTHORIZED_PTY,
		.verify_required = 1,
		.command = (char[]){ "one" } };
	struct reason why;

	(void)state;
	assert_int_equal(authorized_options_merge(&line, &cert, &why), 1);
	assert_int_equal(line.permits, AUTHORIZED_PTY);
	assert_int_equal(line.no_touch_required, 0);
	assert_int_equal(line.verify_required, 1);
	assert_string_equal(line.command, "one");
	assert_int_equal(authorized_options_merge(&line, &cert, &why), 1);
	cert.command = (char[]){ "two" };
	assert_int_equal(authorized_options_merge(&line, &cert, &why), 0);
	assert_string_equal(why.text, "command= is not what the certificate has as force-command");
	authorized_options_free(&line);
}

/* --- revocation --- */

static int
revokes(struct bytes list, const char *line)
{
	struct buf blob;
	struct cert c;
	int r, is_cert;

	decode(line, &blob);
	is_cert = cert_parse(&c, buf_bytes(&blob)) == 0;
	r = krl_check(list, buf_bytes(&blob), is_cert ? &c : NULL);
	buf_free(&blob);
	return r;
}

static void
decode_list(const char *base64, struct buf *list)
{
	size_t n;
	uint8_t *to;

	buf_init(list, 65536);
	to = buf_reserve(list, strlen(base64));
	assert_non_null(to);
	assert_int_equal(sodium_base642bin(to, strlen(base64), base64, strlen(base64), NULL, &n,
			     NULL, sodium_base64_VARIANT_ORIGINAL),
	    0);
	list->len = n;
}

static void
test_revoked(void **state)
{
	static const struct {
		const char *list;
		int cert, key, other; /* ED25519_CERT, its key; P256_CERT of the same CA */
	} lists[] = {
		{ KRL_EMPTY, 0, 0, 0 },
		{ KRL_SERIALS, 1, 0, 1 },
		{ KRL_RANGE, 1, 0, 1 },
		{ KRL_BITMAP, 1, 0, 1 },
		{ KRL_ID, 1, 0, 1 },
		{ KRL_ANY_ID, 1, 0, 1 },
		{ KRL_KEY, 1, 1, 0 },
		{ KRL_SHA1, 1, 1, 0 },
		{ KRL_SHA256, 1, 1, 0 },
		{ KRL_CA, 1, 0, 1 },
	};
	struct buf list;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		decode_list(lists[i].list, &list);
		assert_int_equal(revokes(buf_bytes(&list), ED25519_CERT), lists[i].cert);
		assert_int_equal(revokes(buf_bytes(&list), ED25519_KEY), lists[i].key);
		assert_int_equal(revokes(buf_bytes(&list), P256_CERT), lists[i].other);
		assert_int_equal(revokes(buf_bytes(&list), RSA_KEY), 0);
		/* of another CA */
		if (strcmp(lists[i].list, KRL_SERIALS) == 0 || strcmp(lists[i].list, KRL_ID) == 0)
			assert_int_equal(revokes(buf_bytes(&list), RSA_CA_CERT), 0);
		/* cut anywhere it is not understood, but where nothing or a whole section is
		 * left */
		for (n = 8; n < list.len; n++)
			assert_true(n == 44 ||
			    revokes((struct bytes){ list.data, n }, RSA_KEY) == ERR_FORMAT);
		buf_free(&list);
	}
}

static void
test_revoked_text(void **state)
{
	static const char mixed[] = "# gone\n\n \t" ED25519_KEY " a comment\r\n" RSA_CA_KEY;
	static const char broken[] = "who is this\n" ED25519_KEY "\n";
	static const char cert[] = ED25519_CERT "\n";
	struct bytes list = { (const uint8_t *)mixed, sizeof(mixed) - 1 };

	(void)state;
	assert_int_equal(revokes(list, ED25519_KEY), 1);
	assert_int_equal(revokes(list, ED25519_CERT), 1);
	assert_int_equal(revokes(list, RSA_CA_CERT), 1);
	assert_int_equal(revokes(list, P256_CERT), 0);
	assert_int_equal(revokes(list, P256_KEY), 0);
	list = (struct bytes){ (const uint8_t *)broken, sizeof(broken) - 1 };
	assert_int_equal(revokes(list, P256_KEY), ERR_FORMAT);
	list = (struct bytes){ (const uint8_t *)cert, sizeof(cert) - 1 };
	assert_int_equal(revokes(list, ED25519_KEY), 1);
	assert_int_equal(revokes(list, OPTIONS_CERT), 1);
	assert_int_equal(revokes(list, P256_KEY), 0);
	list = (struct bytes){ (const uint8_t *)"", 0 };
	assert_int_equal(revokes(list, ED25519_KEY), 0);
}

/* One section of a list of our own making. */
static int
revokes_section(uint8_t type, const void *data, size_t len, const char *line)
{
	struct buf b;
	int r;

	buf_init(&b, 65536);
	buf_put(&b, "SSHKRL\n", 8);
	wire_put_u32(&b, 1);
	wire_put_u64(&b, 0);
	wire_put_u64(&b, 0);
	wire_put_u64(&b, 0);
	wire_put_text(&b, "");
	wire_put_text(&b, "");
	buf_put_u8(&b, type);
	wire_put_string(&b, data, len);
	r = revokes(buf_bytes(&b), line);
	buf_free(&b);
	return r;
}

static int
revokes_serial(uint8_t type, uint64_t low, const void *p, size_t len, const char *line)
{
	struct buf section, data;
	int r;

	buf_init(&section, 65536);
	buf_init(&data, 65536);
	wire_put_u64(&data, low);
	buf_put(&data, p, len);
	wire_put_text(&section, ""); /* any CA */
	wire_put_text(&section, "");
	buf_put_u8(&section, type);
	wire_put_string(&section, data.data, data.len);
	r = revokes_section(1, section.data, section.len, line);
	buf_free(&data);
	buf_free(&section);
	return r;
}

static void
test_revoked_sections(void **state)
{
	static const uint8_t up_to_9[8] = { 0, 0, 0, 0, 0, 0, 0, 9 };

	(void)state;
	/* serial number 7 */
	assert_int_equal(revokes_serial(0x20, 7, "", 0, ED25519_CERT), 1);
	assert_int_equal(revokes_serial(0x20, 8, "", 0, ED25519_CERT), 0);
	assert_int_equal(revokes_serial(0x20, 0, "", 0, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_serial(0x20, 7, "x", 1, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_serial(0x21, 7, up_to_9, 8, ED25519_CERT), 1);
	assert_int_equal(revokes_serial(0x21, 8, up_to_9, 8, ED25519_CERT), 0);
	assert_int_equal(revokes_serial(0x21, 10, up_to_9, 8, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_serial(0x21, 0, up_to_9, 8, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_serial(0x22, 1, "\0\0\0\1\x40", 5, ED25519_CERT), 1);
	assert_int_equal(revokes_serial(0x22, 1, "\0\0\0\1\x20", 5, ED25519_CERT), 0);
	assert_int_equal(revokes_serial(0x22, 7, "\0\0\0\2\0\1", 6, ED25519_CERT), 1);
	assert_int_equal(revokes_serial(0x22, 8, "\0\0\0\2\0\1", 6, ED25519_CERT), 0);
	assert_int_equal(revokes_serial(0x22, 1, "\0\0\0\0", 4, ED25519_CERT), 0);
	assert_int_equal(revokes_serial(0x22, 1, "\0\0\0\1\x80", 5, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_serial(0x22, UINT64_MAX, "\0\0\0\2\0\1", 6, ED25519_CERT),
	    ERR_FORMAT);
	/* what is not known, and what may be passed over */
	assert_int_equal(revokes_serial(0x24, 7, "", 0, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_section(4, "", 0, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_section(6, "", 0, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_section(255, "\0\0\0\1a\0\0\0\0\0", 10, ED25519_CERT), 0);
	assert_int_equal(revokes_section(255, "\0\0\0\1a\1\0\0\0\0", 10, ED25519_CERT), ERR_FORMAT);
	/* a hash is whole */
	assert_int_equal(revokes_section(3, "\0\0\0\1a", 5, ED25519_CERT), ERR_FORMAT);
	/* a section for another CA is to be understood as well */
	assert_int_equal(revokes_section(1, "\0\0\0\1a\0\0\0\0\x99\0\0\0\0", 14, ED25519_CERT),
	    ERR_FORMAT);
	assert_int_equal(revokes_section(1, "\0\0\0\1a\0\0\0\0\x99\0\0\0\0", 14, ED25519_KEY),
	    ERR_FORMAT);
}

static void
test_trusted_list(void **state)
{
	static const char text[] = "# CAs\nnothing\ncert-authority " CA_KEY "\n" ED25519_CERT
				   "\n" RSA_CA_KEY " our CA\n";
	struct bytes list = { (const uint8_t *)text, sizeof(text) - 1 }, key;
	struct buf ca, rsa, ed;

	(void)state;
	decode(CA_KEY, &ca);
	decode(RSA_CA_KEY, &rsa);
	decode(ED25519_KEY, &ed);
	key = buf_bytes(&rsa);
	assert_int_equal(key_list_has(list, &key, 1, KEY_LIST_TRUSTED), 1);
	key = buf_bytes(&ca); /* its line has options, which there are none of here */
	assert_int_equal(key_list_has(list, &key, 1, KEY_LIST_TRUSTED), 0);
	key = buf_bytes(&ed); /* its certificate makes no CA of it */
	assert_int_equal(key_list_has(list, &key, 1, KEY_LIST_TRUSTED), 0);
	buf_free(&ed);
	buf_free(&rsa);
	buf_free(&ca);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type),
		cmocka_unit_test(test_what_the_log_says),
		cmocka_unit_test(test_algorithms),
		cmocka_unit_test(test_validity),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_source_address),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_sha1_is_refused),
		cmocka_unit_test(test_ca_that_costs_much),
		cmocka_unit_test(test_cert_authority),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_revoked),
		cmocka_unit_test(test_revoked_text),
		cmocka_unit_test(test_revoked_sections),
		cmocka_unit_test(test_trusted_list),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
