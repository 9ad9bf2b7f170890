/*
 * access/key_list_cache.c: a long list gets an index when it is read first and when it has changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "formats/authorized_options.h"
#include "formats/pubkey.h"
#include "access/key_list_cache.h"
#include "tmp_dir.h"

#define MANY 5000

static char file[] = "keys";

/* An Ed25519 key, of nobody, by its number. */
static void
key_of(unsigned int n, struct buf *blob)
{
	uint8_t raw[32];

	crypto_generichash(raw, sizeof(raw), (const uint8_t *)&n, sizeof(n), NULL, 0);
	buf_init(blob, 256);
	wire_put_text(blob, "ssh-ed25519");
	wire_put_string(blob, raw, sizeof(raw));
}

/* Keys from 0 to n - 1, each with these options. */
static void
write_keys(const char *name, unsigned int n, const char *options)
{
	struct buf text, blob;
	unsigned int i;

	buf_init(&text, 1 << 21);
	for (i = 0; i < n; i++) {
		key_of(i, &blob);
		buf_putf(&text, "%s", options);
		pubkey_format(buf_bytes(&blob), &text);
		buf_putf(&text, " key%u\n", i);
		buf_free(&blob);
	}
	assert_int_equal(buf_err(&text), 0);
	write_bytes(name, text.data, text.len, 0644);
	buf_free(&text);
}

/* Does the file let this key in?  The line, or 0. */
static unsigned int
line_of(const char *name, unsigned int n)
{
	char path[64];
	struct route r = { .authorized_keys_file = path };
	struct authorized_request request = { .login = "alice",
		.address = "192.0.2.1",
		.now = time(NULL) };
	struct authorized_options options;
	struct reason unread;
	unsigned int line;
	struct buf blob;
	struct reason why;
	int found;

	snprintf(path, sizeof(path), "%s", name);
	key_of(n, &blob);
	request.blob = buf_bytes(&blob);
	found = key_list_cache_find(&r, &request, &options, &why, &unread);
	assert_in_range(found, 0, 1);
	line = found == 1 ? options.line : 0;
	authorized_options_free(&options);
	buf_free(&blob);
	return line;
}

/* Wait until the times of the file tell its versions apart. */
static void
age(const char *name)
{
	struct timespec now, pause = { 0, 50000000 };
	struct stat st;

	do {
		assert_int_equal(nanosleep(&pause, NULL), 0);
		assert_int_equal(stat(name, &st), 0);
		assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
	} while (now.tv_sec <= st.st_ctim.tv_sec + 2);
}

/* Finding 19: a login with a long list is not to be known by the time that its refusals take. */
static void
test_many_queries_make_one_index(void **state)
{
	unsigned long before;
	unsigned int i;

	(void)state;
	write_keys(file, MANY, "");
	before = key_list_cache_made();
	for (i = 0; i < 20; i++) {
		assert_int_equal(line_of(file, i * 250), i * 250 + 1);
		assert_int_equal(line_of(file, MANY + i), 0);
	}
	assert_int_equal(key_list_cache_made(), before + 1);
	age(file);
	for (i = 0; i < 20; i++) {
		assert_int_equal(line_of(file, i * 250), i * 250 + 1);
		assert_int_equal(line_of(file, MANY + i), 0);
	}
	assert_int_equal(key_list_cache_made(), before + 1);
}

/* Written anew at once, with the same length: a stranger's key must not get in by the old index,
 * nor a friend's stay out. */
static void
test_each_change_counts_at_once(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		write_keys(file, MANY, i % 2 == 0 ? "no-pty " : "        from=\"!*\" ");
		assert_int_equal(line_of(file, 77), i % 2 == 0 ? 78 : 0);
	}
	/* another file by its name */
	write_keys(file, MANY, "");
	assert_int_equal(line_of(file, MANY - 1), MANY);
	write_keys("other", MANY - 1, "");
	assert_int_equal(rename("other", file), 0);
	assert_int_equal(line_of(file, MANY - 1), 0);
	/* in its own place */
	age(file);
	assert_int_equal(line_of(file, 10), 11);
	assert_int_equal(truncate(file, 0), 0);
	assert_int_equal(line_of(file, 10), 0);
}

static void
test_more_files_than_are_kept(void **state)
{
	unsigned int i, round;
	char name[32];

	(void)state;
	key_list_cache_forget();
	for (round = 0; round < 2; round++)
		for (i = 0; i < KEY_LIST_CACHE_MAX + 20; i++) {
			snprintf(name, sizeof(name), "list%u", i);
			if (round == 0)
				write_keys(name, 60, "");
			assert_int_equal(line_of(name, i % 60), i % 60 + 1);
			assert_int_equal(line_of(name, 60), 0);
		}
}

static void
test_authorities_and_revoked_keys(void **state)
{
	char cas[] = "cas", revoked[] = "revoked";
	struct route r = { .trusted_user_ca_keys = cas, .revoked_keys = revoked };
	struct reason unread;
	unsigned long before;
	struct buf in, out;
	FILE *f;
	int i;

	(void)state;
	write_keys(cas, MANY, "");
	write_keys(revoked, MANY, "");
	key_of(MANY / 2, &in);
	key_of(MANY, &out);
	before = key_list_cache_made();
	for (i = 0; i < 5; i++) {
		assert_int_equal(key_list_cache_trust(&r, buf_bytes(&in), &unread), 1);
		assert_int_equal(key_list_cache_trust(&r, buf_bytes(&out), &unread), 0);
		assert_int_equal(key_list_cache_revoke(&r, buf_bytes(&in), NULL, &unread), 1);
		assert_int_equal(key_list_cache_revoke(&r, buf_bytes(&out), NULL, &unread), 0);
	}
	assert_int_equal(key_list_cache_made(), before + 2);
	/* a line that is no key: who stands above it is revoked for that, all others for the line */
	f = fopen(revoked, "a");
	assert_non_null(f);
	assert_true(fputs("what is this\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(key_list_cache_revoke(&r, buf_bytes(&in), NULL, &unread), 1);
	assert_int_equal(key_list_cache_revoke(&r, buf_bytes(&out), NULL, &unread), ERR_FORMAT);
	assert_string_equal(unread.text, "");
	buf_free(&in);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_queries_make_one_index),
		cmocka_unit_test(test_each_change_counts_at_once),
		cmocka_unit_test(test_more_files_than_are_kept),
		cmocka_unit_test(test_authorities_and_revoked_keys),
	};

	return cmocka_run_group_tests_name("key_lists", tests, tmp_dir_setup, tmp_dir_teardown);
}
