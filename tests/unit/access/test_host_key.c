/*
 * access/host_key.c and host_key_add.c: which host keys of an upstream are accepted, and which are written to
 * known_hosts.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <sodium.h>

#include "formats/hmac_sha1.h"
#include "formats/known_hosts.h"
#include "formats/pubkey.h"
#include "access/host_key.h"
#include "access/host_key_add.h"
#include "tmp_dir.h"
#include "transport/keys.h"

#define ALG "ssh-ed25519"

static const uint8_t hash[HOST_KEY_HASH_MAX + 1] = { 1, 2, 3 };

static char known[] = "known_hosts", missing[] = "missing", another[] = "SHA256:another";
static char list[] = "rsa-sha2-512," ALG, fingerprint[PUBKEY_FINGERPRINT_SIZE];
static char *files[] = { known }, *fingerprints[] = { fingerprint };
static struct secret *priv;
static struct buf pub, other, sig;

static int
setup(void **state)
{
	struct secret *unused;
	char name[64];

	buf_init(&pub, 4096);
	buf_init(&other, 4096);
	buf_init(&sig, 4096);
	if (tmp_dir_setup(state) != 0 || key_generate("ed25519", &priv, &pub, name) != 0 ||
	    key_generate("ed25519", &unused, &other, name) != 0)
		return -1;
	secret_free(&unused);
	pubkey_fingerprint(buf_bytes(&pub), fingerprint);
	return key_sign(priv, ALG, ALG, hash, 32, &sig);
}

static int
teardown(void **state)
{
	secret_free(&priv);
	buf_free(&pub);
	buf_free(&other);
	buf_free(&sig);
	return tmp_dir_teardown(state);
}

/* known_hosts has this key for the host, or, NULL, none. */
static struct route
route_with(const struct buf *key, enum route_strict strict)
{
	struct buf line;

	buf_init(&line, 4096);
	if (key != NULL)
		known_hosts_line("machine", 22, buf_bytes(key), &line);
	write_bytes(known, line.len > 0 ? (const char *)line.data : "", line.len, 0600);
	buf_free(&line);
	return (struct route){ .port = 22,
		.file_rule = tmp_dir_rule(),
		.known_hosts_files = { files, 1 },
		.strict = strict };
}

static struct host_key_shown
shown(const struct route *r)
{
	return (struct host_key_shown){ .route = r,
		.host = "machine",
		.alg = ALG,
		.hash = { hash, 32 },
		.blob = buf_bytes(&pub),
		.sig = buf_bytes(&sig) };
}

/* The verdict, and whether the reason has these words. */
static void
judged(const struct host_key_shown *s, int verdict, const char *words)
{
	struct host_key_known *lines = host_key_known_new(s->route, s->host);
	struct host_key_shown now = *s;
	struct host_key_judgement j;

	now.known = lines;
	host_key_judge(&now, &j);
	host_key_known_free(&lines);
	assert_int_equal(j.verdict, verdict);
	if (words[0] == '\0')
		assert_string_equal(j.why.text, "");
	else
		assert_non_null(strstr(j.why.text, words));
	host_key_judgement_free(&j);
}

static void
test_new_and_changed_keys_by_strict_host_key_checking(void **state)
{
	static const struct {
		const struct buf *known;
		enum route_strict strict;
		int verdict;
		const char *words;
	} cases[] = {
		{ &pub, ROUTE_STRICT_YES, HOST_KEY_KNOWN, "" },
		{ &pub, ROUTE_STRICT_ACCEPT_NEW, HOST_KEY_KNOWN, "" },
		{ &pub, ROUTE_STRICT_NO, HOST_KEY_KNOWN, "" },
		{ NULL, ROUTE_STRICT_YES, HOST_KEY_REFUSED, "not known" },
		{ NULL, ROUTE_STRICT_ACCEPT_NEW, HOST_KEY_NEW, "" },
		{ NULL, ROUTE_STRICT_NO, HOST_KEY_ANY, "" },
		{ &other, ROUTE_STRICT_YES, HOST_KEY_REFUSED, "CHANGED" },
		{ &other, ROUTE_STRICT_ACCEPT_NEW, HOST_KEY_REFUSED, "CHANGED" },
		{ &other, ROUTE_STRICT_NO, HOST_KEY_CHANGED, "" },
	};
	struct host_key_shown s;
	struct route r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = route_with(cases[i].known, cases[i].strict);
		s = shown(&r);
		judged(&s, cases[i].verdict, cases[i].words);
	}
}

static void
test_host_key_fingerprint_alone_decides(void **state)
{
	struct route r = route_with(&other, ROUTE_STRICT_YES);
	struct host_key_shown s = shown(&r);

	(void)state;
	r.host_key_fingerprints = (struct strlist){ fingerprints, 1 };
	judged(&s, HOST_KEY_KNOWN, "");
	r = route_with(NULL, ROUTE_STRICT_ACCEPT_NEW);
	fingerprints[0] = another;
	r.host_key_fingerprints = (struct strlist){ fingerprints, 1 };
	judged(&s, HOST_KEY_REFUSED, "CHANGED");
	fingerprints[0] = fingerprint;
}

/* Whatever is known of the key it shows, and if any will do. */
static void
test_bad_signatures_are_refused(void **state)
{
	struct route r = route_with(&pub, ROUTE_STRICT_NO);
	struct host_key_shown s = shown(&r);
	struct buf bad;
	size_t i;

	(void)state;
	s.hash.len = 31;
	judged(&s, HOST_KEY_REFUSED, "bad signature");
	s.hash.len = HOST_KEY_HASH_MIN - 1;
	judged(&s, HOST_KEY_REFUSED, "bad signature");
	s.hash.len = HOST_KEY_HASH_MAX + 1;
	judged(&s, HOST_KEY_REFUSED, "bad signature");
	s = shown(&r);
	s.alg = "rsa-sha2-512";
	judged(&s, HOST_KEY_REFUSED, "bad signature");
	s.alg = "an-algorithm-with-a-name-of-more-than-sixty-three-bytes@example.com";
	judged(&s, HOST_KEY_REFUSED, "bad signature");
	s = shown(&r);
	s.blob = buf_bytes(&other);
	judged(&s, HOST_KEY_REFUSED, "bad signature");
	for (i = 0; i < pub.len; i++) {
		s.blob = (struct bytes){ pub.data, i };
		judged(&s, HOST_KEY_REFUSED, "bad signature");
	}
	s = shown(&r);
	for (i = 0; i < sig.len; i++) {
		s.sig.len = i;
		judged(&s, HOST_KEY_REFUSED, "bad signature");
		buf_init(&bad, 4096);
		buf_put(&bad, sig.data, sig.len);
		bad.data[i] ^= 1;
		s.sig = buf_bytes(&bad);
		judged(&s, HOST_KEY_REFUSED, "bad signature");
		buf_free(&bad);
		s = shown(&r);
	}
	judged(&s, HOST_KEY_KNOWN, "");
}

/* Append the algorithms to ask for; why the known hosts cannot be read, or "". */
static const char *
algorithms_of(const struct route *r, struct buf *algorithms)
{
	static char error[512];
	struct host_key_known *lines = host_key_known_new(r, "machine");
	const char *why = host_key_known_error(lines);

	snprintf(error, sizeof(error), "%s", why != NULL ? why : "");
	host_key_algorithms(r, "machine", lines, algorithms);
	host_key_known_free(&lines);
	return error;
}

/* A file that others can write to is not used; without it, a revoked key would pass. */
static void
test_unreadable_known_hosts_refuses_the_key(void **state)
{
	struct route r = route_with(&pub, ROUTE_STRICT_NO);
	struct host_key_shown s = shown(&r);
	struct buf algorithms;

	(void)state;
	write_bytes(known, "", 0, 0666);
	judged(&s, HOST_KEY_REFUSED, "the known hosts cannot be read: known_hosts: ");
	buf_init(&algorithms, 1000);
	r.host_key_algorithms = list;
	assert_non_null(strstr(algorithms_of(&r, &algorithms), "known_hosts: "));
	assert_string_equal(buf_cstr(&algorithms), list);
	buf_free(&algorithms);
}

static void
test_algorithms_are_those_of_known_keys(void **state)
{
	struct route r = route_with(&pub, ROUTE_STRICT_YES);
	struct buf algorithms;

	(void)state;
	buf_init(&algorithms, 1000);
	r.host_key_algorithms = list;
	assert_string_equal(algorithms_of(&r, &algorithms), "");
	assert_string_equal(buf_cstr(&algorithms), ALG ",rsa-sha2-512");
	buf_reset(&algorithms);
	/* a missing file has no keys */
	files[0] = missing;
	assert_string_equal(algorithms_of(&r, &algorithms), "");
	assert_string_equal(buf_cstr(&algorithms), list);
	files[0] = known;
	buf_free(&algorithms);
}

/* |1|SALT|HASH, as ssh-keygen -H writes it, and a key. */
static void
put_hashed(struct buf *text, const char *marker, const char *host, const struct buf *key)
{
	char salt[32], hashed[32];
	uint8_t raw[HMAC_SHA1_SIZE], mac[HMAC_SHA1_SIZE];
	struct hmac_sha1 *hmac = hmac_sha1_new();

	randombytes_buf(raw, sizeof(raw));
	assert_non_null(hmac);
	assert_true(hmac_sha1(hmac, raw, sizeof(raw), host, strlen(host), mac));
	hmac_sha1_free(&hmac);
	sodium_bin2base64(salt, sizeof(salt), raw, sizeof(raw), sodium_base64_VARIANT_ORIGINAL);
	sodium_bin2base64(hashed, sizeof(hashed), mac, sizeof(mac), sodium_base64_VARIANT_ORIGINAL);
	buf_putf(text, "%s|1|%s|%s ", marker, salt, hashed);
	pubkey_format(buf_bytes(key), text);
	buf_put_u8(text, '\n');
}

static void
write_known(const struct buf *text)
{
	assert_int_equal(buf_err(text), 0);
	write_bytes(known, (const char *)text->data, text->len, 0600);
}

/* Many hashed names, in a file that changes: each judgement is by what it says then. */
static void
test_many_hashed_names_are_quick(void **state)
{
	struct route r = route_with(NULL, ROUTE_STRICT_YES), r2;
	struct host_key_shown s = shown(&r), s2;
	struct buf text;
	char name[64];
	size_t i, before;
	int round;

	(void)state;
	buf_init(&text, 1 << 20);
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "other%zu", i);
		put_hashed(&text, "", name, &other);
	}
	before = text.len;
	write_known(&text);
	for (round = 0; round < 3; round++)
		judged(&s, HOST_KEY_REFUSED, "not known");
	/* a line is added */
	put_hashed(&text, "", "machine", &pub);
	write_known(&text);
	for (round = 0; round < 3; round++)
		judged(&s, HOST_KEY_KNOWN, "");
	/* another host and another port are others */
	s2 = s;
	s2.host = "other7";
	judged(&s2, HOST_KEY_REFUSED, "CHANGED");
	r2 = r;
	r2.port = 2222;
	s2 = s;
	s2.route = &r2;
	for (round = 0; round < 2; round++)
		judged(&s2, HOST_KEY_KNOWN, "");
	put_hashed(&text, "", "[machine]:2222", &other);
	write_known(&text);
	for (round = 0; round < 2; round++) {
		judged(&s, HOST_KEY_KNOWN, "");
		judged(&s2, HOST_KEY_REFUSED, "CHANGED");
	}
	/* it is revoked, and not any more */
	i = text.len;
	put_hashed(&text, "@revoked ", "machine", &pub);
	write_known(&text);
	for (round = 0; round < 2; round++)
		judged(&s, HOST_KEY_REFUSED, "revoked");
	text.len = i;
	write_known(&text);
	judged(&s, HOST_KEY_KNOWN, "");
	/* it is gone, and has come back as another */
	text.len = before;
	write_known(&text);
	judged(&s, HOST_KEY_REFUSED, "not known");
	put_hashed(&text, "", "machine", &other);
	write_known(&text);
	judged(&s, HOST_KEY_REFUSED, "CHANGED");
	/* more than is remembered */
	for (i = 0; i < 40; i++)
		put_hashed(&text, "", "machine", &other);
	put_hashed(&text, "", "machine", &pub);
	write_known(&text);
	for (round = 0; round < 2; round++)
		judged(&s, HOST_KEY_KNOWN, "");
	buf_free(&text);
}

static void
test_new_key_that_is_not_kept_is_refused(void **state)
{
	struct host_key_judgement j = { .verdict = HOST_KEY_NEW };

	(void)state;
	host_key_refuse(&j, 0);
	assert_int_equal(j.verdict, HOST_KEY_REFUSED);
	assert_string_equal(j.why.text, "the key is not known");
	memset(j.why.text, 'x', sizeof(j.why.text) - 1);
	j.why.text[sizeof(j.why.text) - 1] = '\0';
	host_key_refuse(&j, 1);
	assert_int_equal(strlen(j.why.text), sizeof(j.why.text) - 1);
}

static void
assert_known(const char *text)
{
	char have[4096] = "";
	FILE *f = fopen(known, "r");

	assert_non_null(f);
	have[fread(have, 1, sizeof(have) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(have, text);
}

/* One line for an upstream, added after a last line that may lack its newline. */
static void
test_new_key_gets_one_line(void **state)
{
	struct route r = { .port = 22, .known_hosts_files = { files, 1 } };
	struct reason why;
	struct buf text;

	(void)state;
	buf_init(&text, 4096);
	buf_putf(&text, "# no newline\n");
	known_hosts_line("machine", 22, buf_bytes(&pub), &text);
	write_text(known, "# no newline");
	assert_int_equal(host_key_add(&r, "machine", buf_bytes(&pub), &why), 0);
	assert_known(buf_cstr(&text));
	/* nothing that is there is written again, or beside another key */
	assert_int_equal(host_key_add(&r, "machine", buf_bytes(&pub), &why), 0);
	assert_int_equal(host_key_add(&r, "machine", buf_bytes(&other), &why), ERR_EXISTS);
	assert_non_null(strstr(why.text, "has another key"));
	assert_known(buf_cstr(&text));
	buf_free(&text);
}

/* A limit on the size of files stands in for a full disk. */
static void
test_full_disk_leaves_known_hosts_as_it_was(void **state)
{
	struct route r = { .port = 22, .known_hosts_files = { files, 1 } };
	struct rlimit before, little;
	struct reason why;

	(void)state;
	write_text(known, "# short\n");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	little = (struct rlimit){ strlen("# short\n") + 10, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	assert_int_equal(host_key_add(&r, "machine", buf_bytes(&pub), &why), ERR_SYS);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(strstr(why.text, known));
	assert_known("# short\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_and_changed_keys_by_strict_host_key_checking),
		cmocka_unit_test(test_host_key_fingerprint_alone_decides),
		cmocka_unit_test(test_bad_signatures_are_refused),
		cmocka_unit_test(test_unreadable_known_hosts_refuses_the_key),
		cmocka_unit_test(test_algorithms_are_those_of_known_keys),
		cmocka_unit_test(test_many_hashed_names_are_quick),
		cmocka_unit_test(test_new_key_that_is_not_kept_is_refused),
		cmocka_unit_test(test_new_key_gets_one_line),
		cmocka_unit_test(test_full_disk_leaves_known_hosts_as_it_was),
	};

	return cmocka_run_group_tests_name("host_key", tests, setup, teardown);
}
