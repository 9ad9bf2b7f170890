/*
 * keystore/keystore_password.c: stored passwords.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "keystore/keystore.h"
#include "keystore_lab.h"

/* Add a password with its NUL, as readpass gives it. */
static void
add_password(struct keystore *ks, const char *name, const char *text)
{
	struct secret *password = secret_from(text, strlen(text) + 1);
	struct reason why;

	if (keystore_add_password(ks, name, password, &why) != 0)
		fail_msg("%s", why.text);
	secret_free(&password);
}

static void
assert_password(struct keystore *ks, const char *name, const char *text)
{
	struct reason why = { "" };
	struct secret *password;

	if (keystore_password(ks, name, &password, &why) != 0)
		fail_msg("%s", why.text);
	assert_int_equal(secret_len(password), strlen(text));
	assert_memory_equal(secret_open(password), text, strlen(text));
	secret_close(password);
	secret_free(&password);
}

static void
assert_no_password(struct keystore *ks, const char *name, int err, const char *word)
{
	struct reason why = { "" };
	struct secret *password;

	assert_int_equal(keystore_password(ks, name, &password, &why), err);
	assert_null(password);
	if (strstr(why.text, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, word);
}

static void
test_passwords_are_stored(void **state)
{
	char longest[KEYSTORE_PASSWORD_MAX + 2];
	uint8_t file[4096], other[4096];
	struct keystore *ks = open_store();
	struct strlist names = { 0 };
	struct reason why;
	struct secret *password;
	size_t len;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[KEYSTORE_PASSWORD_MAX] = '\0';
	add_key(ks, "other", "ed25519");
	add_password(ks, "pw", "open; sesame\001 #\xe2\x98\x82");
	add_password(ks, "long", longest);
	assert_password(ks, "pw", "open; sesame\001 #\xe2\x98\x82");
	assert_password(ks, "long", longest);
	assert_int_equal(mode_of("keys/pw"), 0600);
	assert_int_equal(access("keys/pw.pub", F_OK), -1);
	assert_int_equal(keystore_kind(ks, "pw"), KEYSTORE_PASSWORD);
	assert_int_equal(keystore_kind(ks, "other"), KEYSTORE_KEY);
	assert_int_equal(keystore_kind(ks, ".store"), KEYSTORE_OTHER);

	/* The file does not tell the password, nor its length. */
	len = read_file("keys/pw", file, sizeof(file));
	assert_null(memmem(file, len, "sesame", 6));
	assert_int_equal(read_file("keys/long", other, sizeof(other)), len);

	/* One name, one secret. */
	password = secret_from("another", 8);
	assert_int_equal(keystore_add_password(ks, "pw", password, &why), ERR_EXISTS);
	assert_int_equal(keystore_add_password(ks, "other", password, &why), ERR_EXISTS);
	assert_non_null(strstr(why.text, "already exists; choose another name"));
	assert_int_equal(keystore_add_password(ks, "../x", password, &why), ERR_FORMAT);
	secret_free(&password);
	/* Nothing, and too much. */
	password = secret_from("", 1);
	assert_int_equal(keystore_add_password(ks, "empty", password, &why), ERR_TOOBIG);
	secret_free(&password);
	longest[KEYSTORE_PASSWORD_MAX] = 'x';
	longest[KEYSTORE_PASSWORD_MAX + 1] = '\0';
	password = secret_from(longest, sizeof(longest));
	assert_int_equal(keystore_add_password(ks, "toolong", password, &why), ERR_TOOBIG);
	secret_free(&password);

	assert_int_equal(keystore_list(ks, &names, &why), 0);
	assert_int_equal(names.n, 3);
	strlist_free(&names);
	assert_int_equal(keystore_rewrap(ks, "file:new", &why), 0);
	keystore_free(&ks);
	assert_int_equal(keystore_open("keys", "file:new", 0, &ks, &why), 0);
	assert_password(ks, "long", longest + 1);
	assert_int_equal(keystore_remove(ks, "pw", &why), 0);
	assert_no_password(ks, "pw", ERR_NOTFOUND, "sallyport key add pw --password");
	assert_int_equal(count_files(".new-"), 0);
	keystore_free(&ks);
}

/* A password is not taken for a key, nor a key for a password, even if its file has the name and the first bytes of
 * the other. */
static void
test_password_is_no_key(void **state)
{
	struct keystore *ks = open_store();
	uint8_t file[4096];
	size_t len, i;

	(void)state;
	add_key(ks, "alice", "ed25519");
	add_key(ks, "other", "ed25519");
	add_password(ks, "pw", "secret");
	assert_key_refused(ks, "pw", ERR_ALGORITHM, "is a password, not a key");
	assert_no_password(ks, "alice", ERR_ALGORITHM, "is a key, not a password");

	len = read_file("keys/alice", file, sizeof(file));
	memcpy(file, "SALLYPORT-PWD-1\n", 16);
	write_file("keys/alice", file, len, 0600);
	assert_no_password(ks, "alice", ERR_AUTH, "keys/alice: is damaged");
	len = read_file("keys/pw", file, sizeof(file));
	memcpy(file, "SALLYPORT-KEY-1\n", 16);
	write_file("keys/pw", file, len, 0600);
	assert_key_refused(ks, "pw", ERR_AUTH, "is damaged");

	/* Renamed; each byte changed; cut short. */
	memcpy(file, "SALLYPORT-PWD-1\n", 16);
	write_file("keys/pv", file, len, 0600);
	assert_no_password(ks, "pv", ERR_AUTH, "renamed");
	write_file("keys/pw", file, len, 0600);
	assert_password(ks, "pw", "secret");
	for (i = 0; i < len; i++) {
		file[i] ^= 1;
		write_file("keys/pw", file, len, 0600);
		assert_no_password(ks, "pw", i < 16 ? ERR_FORMAT : ERR_AUTH, "keys/pw: ");
		file[i] ^= 1;
	}
	for (i = 0; i < len; i += 7) {
		write_file("keys/pw", file, i, 0600);
		assert_no_password(ks, "pw", i < 56 ? ERR_FORMAT : ERR_AUTH, "keys/pw: ");
	}
	write_file("keys/pw", file, len, 0644);
	assert_no_password(ks, "pw", ERR_PERM, "chmod 600 keys/pw");
	keystore_free(&ks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_passwords_are_stored),
		T(test_password_is_no_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
