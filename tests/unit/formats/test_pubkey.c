/*
 * formats/pubkey.c: public keys as text, as ssh-keygen(1) reads them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/pubkey.h"

static char dir[] = "/tmp/test_pubkey.XXXXXX";

static int
setup(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL;
}

static int
teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* The first line a command prints, without its newline. */
static void
output_of(const char *command, char *line, size_t size)
{
	FILE *f = popen(command, "r");

	assert_non_null(f);
	assert_non_null(fgets(line, (int)size, f));
	line[strcspn(line, "\n")] = '\0';
	assert_int_equal(pclose(f), 0);
}

/* A new key of the type: its public line and what ssh-keygen -l prints. */
static void
make_key(const char *type, char *line, size_t size, char *shown, size_t shown_size)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -f %s/k*; ssh-keygen -q -N '' -t %s -f %s/k", dir,
	    type, dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "cat %s/k.pub", dir);
	output_of(command, line, size);
	snprintf(command, sizeof(command), "ssh-keygen -l -f %s/k.pub", dir);
	output_of(command, shown, shown_size);
}

static void
test_keys_of_ssh_keygen(void **state)
{
	static const struct {
		const char *make, *type, *word;
	} kinds[] = {
		{ "ed25519", "ssh-ed25519", "ED25519" },
		{ "ecdsa -b 256", "ecdsa-sha2-nistp256", "ECDSA" },
		{ "ecdsa -b 384", "ecdsa-sha2-nistp384", "ECDSA" },
		{ "ecdsa -b 521", "ecdsa-sha2-nistp521", "ECDSA" },
		{ "rsa -b 2048", "ssh-rsa", "RSA" },
	};
	char line[2000], shown[2000], type[64], fingerprint[PUBKEY_FINGERPRINT_SIZE], want[100];
	struct buf blob, text;
	size_t i, len;

	(void)state;
	buf_init(&blob, 10000);
	buf_init(&text, 10000);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		make_key(kinds[i].make, line, sizeof(line), shown, sizeof(shown));
		buf_reset(&blob);
		buf_reset(&text);
		assert_int_equal(pubkey_parse(line, strlen(line), &blob), 0);
		assert_int_equal(pubkey_check(buf_bytes(&blob)), 0);
		assert_int_equal(pubkey_type(buf_bytes(&blob), type), 0);
		assert_string_equal(type, kinds[i].type);
		assert_string_equal(pubkey_type_short(type), kinds[i].word);
		pubkey_fingerprint(buf_bytes(&blob), fingerprint);
		snprintf(want, sizeof(want), " %s ", fingerprint);
		assert_non_null(strstr(shown, want));
		snprintf(want, sizeof(want), "(%s)", kinds[i].word);
		assert_non_null(strstr(shown, want));
		pubkey_format(buf_bytes(&blob), &text);
		len = strlen(buf_cstr(&text));
		assert_memory_equal(line, text.data, len);
		assert_int_equal(line[len], ' ');
	}
	buf_free(&blob);
	buf_free(&text);
}

/* ssh-keygen 10 neither makes nor shows such a key; lists of keys still hold them. */
static void
test_dsa_key_is_read(void **state)
{
	static const char line[] =
	    "ssh-dss "
	    "AAAAB3NzaC1kc3MAAACBANx0eocdRdp5TY4XK9TUAWc4hKq93kvzHd9RvrokM84HY/3mKj/kCIsowhd3"
	    "VkhflgshoN+JSpAlqE3L5127bFJ8vstr26TTisMPoEsERlyaKw3wfJ2q0eRlNnhEGtytf2vqrSN1LlHs"
	    "4oOYQ5RPaCOV6qflaTg4eiNOuO5SyOmRAAAAFQD4ufxJ2z9HSTNgIR+vs4gFXaXe0wAAAIBOu5G16QYO"
	    "RtYjyvagPS8LHweQuMlQ7CrAGrpKuruww26+MFU2kVQT5/8NbiRlouwN5/6AyWjlkNkUzFS316oJ8BXF"
	    "4UCz/iurvJKE3HahTuo+kIftYaH0reH2aGGiQCijQiRd7+OxDlnTdHew8nWSj1+cZ/Gfssg66pLE8LbO"
	    "SgAAAIAxhvk4yBHDSgWytreUUGm49DkoozPkIXHBB6vPhcAlhlRcYRZma5+EbFuhjpohJo2dCwPMeA09"
	    "zFl+GAk+5eQWSZv04Mrl+jdZBXxQYBFcIDzLC60tAOETJe4WlZLHKW8nPnoSzlVn/940HotSOZmo4Az2"
	    "6iPFhHVz8reGsQ5hkQ==";
	char type[64], fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct buf blob;

	(void)state;
	buf_init(&blob, 1000);
	assert_int_equal(pubkey_parse(line, strlen(line), &blob), 0);
	assert_int_equal(pubkey_check(buf_bytes(&blob)), 0);
	assert_int_equal(pubkey_type(buf_bytes(&blob), type), 0);
	assert_string_equal(type, "ssh-dss");
	assert_string_equal(pubkey_type_short(type), "DSA");
	pubkey_fingerprint(buf_bytes(&blob), fingerprint);
	assert_string_equal(fingerprint, "SHA256:P4bNgODJ5ZrvHoNFUOat7vKe/CyMBk9YvNWuDwpSjw0");
	buf_free(&blob);
}

/* No part of a key is a key, neither as bytes nor as text. */
static void
test_every_truncation_is_refused(void **state)
{
	static const char *const makes[] = { "ed25519", "ecdsa", "rsa -b 1024", "rsa -b 2048" };
	char line[2000], shown[2000];
	struct buf blob, other;
	uint8_t *cut;
	size_t i, len, words;

	(void)state;
	buf_init(&blob, 10000);
	buf_init(&other, 10000);
	for (i = 0; i < sizeof(makes) / sizeof(makes[0]); i++) {
		make_key(makes[i], line, sizeof(line), shown, sizeof(shown));
		buf_reset(&blob);
		assert_int_equal(pubkey_parse(line, strlen(line), &blob), 0);
		for (len = 0; len < blob.len; len++) {
			cut = malloc(len == 0 ? 1 : len);
			memcpy(cut, blob.data, len);
			assert_int_not_equal(pubkey_check((struct bytes){ cut, len }), 0);
			free(cut);
		}
		buf_put_u8(&blob, 0);
		assert_int_not_equal(pubkey_check(buf_bytes(&blob)), 0);
		words = (size_t)(strrchr(line, ' ') - line);
		for (len = 0; len < words; len++) {
			assert_int_not_equal(pubkey_parse(line, len, &other), 0);
			assert_int_equal(other.len, 0);
		}
	}
	buf_free(&blob);
	buf_free(&other);
}

/* github.com's host key */
#define ED25519 "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

static int
parse(const char *line, struct buf *blob)
{
	return pubkey_parse(line, strlen(line), blob);
}

static void
test_lines(void **state)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct buf blob;

	(void)state;
	buf_init(&blob, 1000);
	assert_int_equal(parse("ssh-ed25519 " ED25519, &blob), 0);
	assert_int_equal(blob.len, 51);
	pubkey_fingerprint(buf_bytes(&blob), fingerprint);
	assert_string_equal(fingerprint, "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
	/* it is appended */
	assert_int_equal(parse("  ssh-ed25519\t" ED25519 "  a comment\r\n", &blob), 0);
	assert_int_equal(blob.len, 102);
	assert_memory_equal(blob.data, blob.data + 51, 51);

	buf_reset(&blob);
	assert_int_equal(parse("", &blob), ERR_FORMAT);
	assert_int_equal(parse("ssh-ed25519", &blob), ERR_FORMAT);
	assert_int_equal(parse("ssh-ed25519 ", &blob), ERR_FORMAT);
	assert_int_equal(parse(ED25519, &blob), ERR_FORMAT);
	assert_int_equal(parse("ssh-rsa " ED25519, &blob), ERR_FORMAT);
	assert_int_equal(parse("ssh-ed25519 " ED25519 "=", &blob), ERR_FORMAT);
	assert_int_equal(parse("ssh-ed25519 " ED25519 "!", &blob), ERR_FORMAT);
	assert_int_equal(parse("ssh-ed25519 !" ED25519, &blob), ERR_FORMAT);
	assert_int_equal(parse("ssh-foo AAAAB3NzaC1mbw==", &blob), ERR_FORMAT); /* "ssh-fo" */
	assert_int_equal(parse("ssh-foo AAAAB3NzaC1mb28=", &blob), ERR_ALGORITHM);
	assert_int_equal(blob.len, 0);
	blob.max = 40;
	assert_int_equal(parse("ssh-ed25519 " ED25519, &blob), ERR_TOOBIG);
	buf_free(&blob);
}

static void
test_a_megabyte_of_base64(void **state)
{
	size_t len = 1 << 20;
	char *line = malloc(len);
	struct buf blob;

	(void)state;
	memset(line, 'A', len);
	memcpy(line, "ssh-ed25519 ", 12);
	buf_init(&blob, 2 << 20);
	assert_int_equal(pubkey_parse(line, len, &blob), ERR_TOOBIG);
	buf_free(&blob);
	free(line);
}

static int
type_of(const void *p, size_t len, char type[64])
{
	return pubkey_type((struct bytes){ p, len }, type);
}

static void
test_type(void **state)
{
	uint8_t long_name[4 + 64] = { 0, 0, 0, 64 };
	char type[64];

	(void)state;
	assert_int_equal(type_of("\0\0\0\3abc", 7, type), 0);
	assert_string_equal(type, "abc");
	assert_int_equal(type_of("\0\0\0\3ab", 6, type), ERR_FORMAT);
	assert_string_equal(type, "");
	assert_int_equal(type_of("\0\0\0\0", 4, type), ERR_FORMAT);
	assert_int_equal(type_of("", 0, type), ERR_FORMAT);
	assert_int_equal(type_of("\377\377\377\377abc", 7, type), ERR_FORMAT);
	assert_int_equal(type_of("\0\0\0\3a\0c", 7, type), ERR_FORMAT);
	assert_int_equal(type_of("\0\0\0\3a\nc", 7, type), ERR_FORMAT);
	assert_int_equal(type_of("\0\0\0\3a,c", 7, type), ERR_FORMAT);
	assert_int_equal(type_of("\0\0\0\3a c", 7, type), ERR_FORMAT);
	assert_int_equal(type_of("\0\0\0\3a\377c", 7, type), ERR_FORMAT);
	memset(long_name + 4, 'a', 64);
	assert_int_equal(type_of(long_name, sizeof(long_name), type), ERR_FORMAT);
	long_name[3] = 63;
	assert_int_equal(type_of(long_name, sizeof(long_name), type), 0);
	assert_int_equal(strlen(type), 63);
}

static void
put_rsa(struct buf *b, size_t exponent_len, size_t modulus_len, int modulus_top)
{
	size_t i;

	buf_reset(b);
	wire_put_text(b, "ssh-rsa");
	wire_put_u32(b, (uint32_t)exponent_len);
	for (i = 0; i < exponent_len; i++)
		buf_put_u8(b, 3);
	wire_put_u32(b, (uint32_t)modulus_len);
	for (i = 0; i < modulus_len; i++)
		buf_put_u8(b, i == 0 ? (uint8_t)modulus_top : 0x55);
}

/* A stranger's key is verified before it is known to be a stranger's: what it
 * can cost has a limit. */
static void
test_rsa_limits(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	put_rsa(&b, 3, 128, 0x7f);
	assert_int_equal(pubkey_check(buf_bytes(&b)), ERR_WEAK);
	buf_put_u8(&b, 0);
	assert_int_equal(pubkey_check(buf_bytes(&b)), ERR_FORMAT);
	put_rsa(&b, 3, 256, 0x7f);
	assert_int_equal(pubkey_check(buf_bytes(&b)), ERR_WEAK); /* 2047 bits */
	put_rsa(&b, 3, 257, 0);
	b.data[b.len - 256] = 0x80;
	assert_int_equal(pubkey_check(buf_bytes(&b)), 0); /* 2048 bits */
	put_rsa(&b, 3, 1024, 0x7f);
	assert_int_equal(pubkey_check(buf_bytes(&b)), 0);
	put_rsa(&b, 3, 1025, 0);
	b.data[b.len - 1024] = 0x80;
	assert_int_equal(pubkey_check(buf_bytes(&b)), 0); /* 8192 bits */
	put_rsa(&b, 3, 1025, 1);
	assert_int_equal(pubkey_check(buf_bytes(&b)), ERR_COSTLY); /* 8193 bits */
	buf_put_u8(&b, 0);
	assert_int_equal(pubkey_check(buf_bytes(&b)), ERR_FORMAT);
	put_rsa(&b, 3, 9000, 0x7f);
	assert_int_equal(pubkey_check(buf_bytes(&b)), ERR_COSTLY);
	put_rsa(&b, 3, 256, 0x80);
	assert_int_equal(pubkey_check(buf_bytes(&b)), ERR_FORMAT); /* negative */
	put_rsa(&b, 5, 300, 0x7f);
	assert_int_equal(pubkey_check(buf_bytes(&b)), 0);
	put_rsa(&b, 6, 300, 0x7f);
	assert_int_equal(pubkey_check(buf_bytes(&b)), ERR_COSTLY);
	put_rsa(&b, 0, 300, 0x7f);
	assert_int_equal(pubkey_check(buf_bytes(&b)), ERR_FORMAT);
	buf_free(&b);
}

static void
test_ecdsa_curve_and_point_must_fit(void **state)
{
	uint8_t point[133] = { 4 };
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	wire_put_text(&b, "ecdsa-sha2-nistp256");
	wire_put_text(&b, "nistp384");
	wire_put_string(&b, point, 97);
	assert_int_equal(pubkey_check(buf_bytes(&b)), ERR_FORMAT);
	buf_reset(&b);
	wire_put_text(&b, "ecdsa-sha2-nistp256");
	wire_put_text(&b, "nistp256");
	wire_put_string(&b, point, 65);
	assert_int_equal(pubkey_check(buf_bytes(&b)), 0);
	b.data[b.len - 65] = 2; /* compressed */
	assert_int_equal(pubkey_check(buf_bytes(&b)), ERR_FORMAT);
	buf_reset(&b);
	wire_put_text(&b, "ecdsa-sha2-nistp521");
	wire_put_text(&b, "nistp521");
	wire_put_string(&b, point, 133);
	assert_int_equal(pubkey_check(buf_bytes(&b)), 0);
	buf_free(&b);
}

static void
test_algorithms(void **state)
{
	(void)state;
	assert_true(pubkey_algorithm_ok("ssh-ed25519", "ssh-ed25519"));
	assert_true(pubkey_algorithm_ok("ssh-rsa", "rsa-sha2-256"));
	assert_true(pubkey_algorithm_ok("ssh-rsa", "rsa-sha2-512"));
	assert_true(pubkey_algorithm_ok("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"));
	assert_true(
	    pubkey_algorithm_ok("sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519@openssh.com"));
	assert_false(pubkey_algorithm_ok("ssh-rsa", "ssh-rsa")); /* SHA-1 */
	assert_false(pubkey_algorithm_ok("ssh-dss", "ssh-dss"));
	assert_false(pubkey_algorithm_ok("ssh-ed25519", "rsa-sha2-512"));
	assert_false(pubkey_algorithm_ok("rsa-sha2-512", "rsa-sha2-512"));
	assert_false(pubkey_algorithm_ok("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"));
	assert_false(pubkey_algorithm_ok("ssh-ed25519-cert-v01@openssh.com",
	    "ssh-ed25519-cert-v01@openssh.com"));
	assert_false(pubkey_algorithm_ok("ssh-rsa", "rsa-sha2-512-cert-v01@openssh.com"));
	assert_false(pubkey_algorithm_ok("", ""));
	assert_false(pubkey_algorithm_ok("ssh-foo", "ssh-foo"));
	assert_string_equal(pubkey_type_short("ssh-foo"), "unknown");
	assert_string_equal(pubkey_type_short("ssh-ed25519-cert-v01@openssh.com"), "ED25519-CERT");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_of_ssh_keygen),
		cmocka_unit_test(test_dsa_key_is_read),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_a_megabyte_of_base64),
		cmocka_unit_test(test_type),
		cmocka_unit_test(test_rsa_limits),
		cmocka_unit_test(test_ecdsa_curve_and_point_must_fit),
		cmocka_unit_test(test_algorithms),
	};

	return cmocka_run_group_tests_name("pubkey", tests, setup, teardown);
}
