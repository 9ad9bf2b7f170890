/*
 * keystore/keystore_totp.c: stored secrets of one-time passwords.
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

static void
assert_totp(struct keystore *ks, const char *name, const struct totp *want)
{
	struct reason why = { "" };
	struct totp t;

	if (keystore_totp(ks, name, &t, &why) != 0)
		fail_msg("%s", why.text);
	assert_memory_equal(&t, want, sizeof(t));
}

static void
assert_no_totp(struct keystore *ks, const char *name, int err, const char *word)
{
	struct reason why = { "" };
	struct totp t, none = { 0 };

	assert_int_equal(keystore_totp(ks, name, &t, &why), err);
	assert_memory_equal(&t, &none, sizeof(t));
	if (strstr(why.text, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, word);
}

static void
test_secrets_are_stored(void **state)
{
	struct keystore *ks = open_store();
	struct secret *password = secret_from("secret", 7);
	struct strlist names = { 0 };
	struct totp t, other;
	struct reason why;
	uint8_t file[4096];
	size_t len;

	(void)state;
	totp_new(&t);
	totp_new(&other);
	assert_int_equal(totp_recovery_add(&t, "aaaa-bbbb-cccc"), 0);
	add_key(ks, "key", "ed25519");
	assert_int_equal(keystore_add_password(ks, "pw", password, &why), 0);
	assert_no_totp(ks, "alice", ERR_NOTFOUND,
	    "keys/alice: there is no such TOTP secret; make it with: sallyport totp enroll --name "
	    "alice");
	assert_int_equal(keystore_add_totp(ks, "alice", &t, 0, &why), 0);
	assert_totp(ks, "alice", &t);
	assert_int_equal(mode_of("keys/alice"), 0600);
	assert_int_equal(access("keys/alice.pub", F_OK), -1);
	assert_int_equal(keystore_kind(ks, "alice"), KEYSTORE_TOTP);
	len = read_file("keys/alice", file, sizeof(file));
	assert_null(memmem(file, len, t.secret, 8));
	assert_int_equal(keystore_look("keys", KEYSTORE_TOTP, "alice", &why), 0);
	assert_int_equal(keystore_look("keys", KEYSTORE_TOTP, "pw", &why), ERR_ALGORITHM);

	/* One name, one secret, unless it is replaced; and nothing else is replaced. */
	assert_int_equal(keystore_add_totp(ks, "alice", &other, 0, &why), ERR_EXISTS);
	assert_totp(ks, "alice", &t);
	assert_int_equal(keystore_add_totp(ks, "alice", &other, 1, &why), 0);
	assert_totp(ks, "alice", &other);
	assert_int_equal(keystore_add_totp(ks, "bob", &other, 1, &why), 0);
	assert_int_equal(keystore_add_totp(ks, "key", &other, 1, &why), ERR_FORMAT);
	assert_int_equal(keystore_add_totp(ks, "pw", &other, 1, &why), ERR_FORMAT);
	assert_non_null(strstr(why.text, "keys/pw: is not a TOTP secret, and stays"));
	assert_key_works(ks, "key");
	assert_int_equal(keystore_add_password(ks, "bob", password, &why), ERR_EXISTS);
	assert_int_equal(keystore_add_totp(ks, "../x", &other, 0, &why), ERR_FORMAT);
	assert_int_equal(keystore_list(ks, &names, &why), 0);
	assert_int_equal(names.n, 4);
	strlist_free(&names);

	/* A store that is wrapped anew has the same files. */
	assert_int_equal(keystore_rewrap(ks, "file:new", &why), 0);
	keystore_free(&ks);
	assert_int_equal(keystore_open("keys", "file:new", 0, &ks, &why), 0);
	assert_totp(ks, "alice", &other);
	assert_int_equal(keystore_remove(ks, "alice", &why), 0);
	assert_no_totp(ks, "alice", ERR_NOTFOUND, "totp enroll --name alice");
	assert_int_equal(count_files(".new-"), 0);
	secret_free(&password);
	keystore_free(&ks);
}

/* Each kind opens as that kind alone, whatever the first bytes say. */
static void
test_secret_is_no_other_kind(void **state)
{
	static const char *const magics[] = { "SALLYPORT-KEY-1\n", "SALLYPORT-PWD-1\n",
		"SALLYPORT-OTP-1\n" };
	struct keystore *ks = open_store();
	struct secret *password = secret_from("secret", 7), *got;
	struct reason why;
	uint8_t file[4096];
	struct totp t;
	size_t len, i;

	(void)state;
	totp_new(&t);
	add_key(ks, "other", "ed25519");
	add_key(ks, "key", "ed25519");
	assert_int_equal(keystore_add_password(ks, "pw", password, &why), 0);
	assert_int_equal(keystore_add_totp(ks, "alice", &t, 0, &why), 0);
	assert_key_refused(ks, "alice", ERR_ALGORITHM, "is a TOTP secret, not a key");
	assert_no_totp(ks, "key", ERR_ALGORITHM, "is a key, not a TOTP secret");
	assert_no_totp(ks, "pw", ERR_ALGORITHM, "is a password, not a TOTP secret");
	assert_int_equal(keystore_password(ks, "alice", &got, &why), ERR_ALGORITHM);
	for (i = 0; i < 2; i++) {
		const char *const path = i == 0 ? "keys/key" : "keys/pw";

		len = read_file(path, file, sizeof(file));
		memcpy(file, magics[2], 16);
		write_file(path, file, len, 0600);
		assert_no_totp(ks, path + 5, ERR_AUTH, "is damaged");
	}
	len = read_file("keys/alice", file, sizeof(file));
	memcpy(file, magics[0], 16);
	write_file("keys/alice", file, len, 0600);
	assert_key_refused(ks, "alice", ERR_AUTH, "is damaged");
	memcpy(file, magics[1], 16);
	write_file("keys/alice", file, len, 0600);
	assert_int_equal(keystore_password(ks, "alice", &got, &why), ERR_AUTH);

	/* Renamed; each byte changed; cut short. */
	memcpy(file, magics[2], 16);
	write_file("keys/bob", file, len, 0600);
	assert_no_totp(ks, "bob", ERR_AUTH, "renamed");
	for (i = 0; i < len; i++) {
		file[i] ^= 1;
		write_file("keys/alice", file, len, 0600);
		assert_no_totp(ks, "alice", i < 16 ? ERR_FORMAT : ERR_AUTH, "keys/alice: ");
		file[i] ^= 1;
	}
	for (i = 0; i < len; i += 7) {
		write_file("keys/alice", file, i, 0600);
		assert_no_totp(ks, "alice", i < 56 ? ERR_FORMAT : ERR_AUTH, "keys/alice: ");
	}
	write_file("keys/alice", file, len, 0644);
	assert_no_totp(ks, "alice", ERR_PERM, "chmod 600 keys/alice");
	write_file("keys/alice", "x", 1, 0600);
	assert_no_totp(ks, "alice", ERR_FORMAT,
	    "is not a sealed TOTP secret; add a TOTP secret with: sallyport totp enroll "
	    "--name NAME");
	secret_free(&password);
	keystore_free(&ks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_secrets_are_stored),
		T(test_secret_is_no_other_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
