/*
 * keystore/unlock.c: what unlocks a key store: a file, a credential of systemd or a passphrase.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "keystore/keystore.h"
#include "keystore_lab.h"

/* Standard input from a string, until input_restore(). */
static int input_saved = -1;

static void
input_set(const char *text)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
	close(fds[1]);
	if (input_saved == -1)
		input_saved = dup(STDIN_FILENO);
	assert_int_not_equal(dup2(fds[0], STDIN_FILENO), -1);
	close(fds[0]);
}

static void
input_restore(void)
{
	dup2(input_saved, STDIN_FILENO);
	close(input_saved);
	input_saved = -1;
}

static void
assert_open_refused(const char *unlock, int err, const char *word)
{
	struct reason why;
	struct keystore *ks;
	int r = keystore_open("keys", unlock, 1, &ks, &why);

	assert_null(ks);
	if (r != err || strstr(why.text, word) == NULL)
		fail_msg("%d \"%s\", not %d \"%s\"", r, why.text, err, word);
	assert_null(strchr(why.text, '\n'));
}

static void
test_bad_store_is_refused(void **state)
{
	struct keystore *ks = open_store();
	uint8_t good[4096], bad[4096];
	size_t len, i;

	(void)state;
	add_key(ks, "alice", "ed25519");
	keystore_free(&ks);
	len = read_file("keys/.store", good, sizeof(good));
	for (i = 0; i < len; i++) {
		write_file("keys/.store", good, i, 0600);
		assert_open_refused("file:keys/.unlock", ERR_FORMAT, "keys/.store: ");
	}
	for (i = 0; i < len; i++) {
		memcpy(bad, good, len);
		bad[i] ^= 0x01;
		write_file("keys/.store", bad, len, 0600);
		assert_open_refused("file:keys/.unlock",
		    i < 29 || (i >= 29 && i < 33) || (i >= 65 && i < 69) || (i >= 93 && i < 97) ?
			ERR_FORMAT :
			ERR_AUTH,
		    "keys/.store: ");
	}
	write_file("keys/.store", good, len, 0640);
	assert_open_refused("file:keys/.unlock", ERR_PERM, "chmod 600 keys/.store");
	/* Lost: another must not be made beside the keys. */
	assert_int_equal(unlink("keys/.store"), 0);
	assert_open_refused("file:keys/.unlock", ERR_BADSTATE, "alice");
	write_file("keys/.store", good, len, 0600);
	assert_int_equal(chmod("keys", 0770), 0);
	assert_open_refused("file:keys/.unlock", ERR_PERM, "chmod go-w keys");
	assert_int_equal(chmod("keys", 0755), 0);
	ks = open_store();
	assert_key_works(ks, "alice");
	keystore_free(&ks);
}

static void
test_unlock_by_file(void **state)
{
	struct keystore *ks = open_store();
	struct reason why;
	uint8_t good[128];
	size_t len;

	(void)state;
	add_key(ks, "alice", "ed25519");
	keystore_free(&ks);
	len = read_file("keys/.unlock", good, sizeof(good));
	assert_int_equal(len, 65);
	/* The newline at its end is not part of it. */
	write_file("keys/.unlock", good, 64, 0600);
	ks = open_store();
	keystore_free(&ks);

	write_file("keys/.unlock", good, 63, 0600);
	assert_open_refused("file:keys/.unlock", ERR_AUTH,
	    "keys/.store: file:keys/.unlock does not unlock it");
	write_file("keys/.unlock", "fifteen bytes!!\n", 16, 0600);
	assert_open_refused("file:keys/.unlock", ERR_FORMAT, "16 are needed");
	write_file("keys/.unlock", good, len, 0604);
	assert_open_refused("file:keys/.unlock", ERR_PERM, "chmod 600 keys/.unlock");
	assert_int_equal(chmod("keys/.unlock", 0600), 0);
	assert_int_equal(symlink(".unlock", "keys/link"), 0);
	assert_open_refused("file:keys/link", ERR_FORMAT, "symbolic link");
	assert_open_refused("file:keys", ERR_FORMAT, "regular file");
	assert_open_refused("file:keys/absent", ERR_AUTH, "restore it");
	assert_open_refused("file:none/absent", ERR_AUTH, "restore it");
	assert_open_refused("file:", ERR_CONFIG, "file:PATH");
	assert_open_refused("keys/.unlock", ERR_CONFIG, "file:PATH");
	assert_open_refused("credential:../x", ERR_CONFIG, "credential:NAME");
	assert_int_equal(access("keys/absent", F_OK), -1);

	/* Without create there is no new store, nor a directory for it. */
	assert_int_equal(keystore_open("none", "file:x", 0, &ks, &why), ERR_NOTFOUND);
	assert_null(ks);
	assert_non_null(strstr(why.text, "sallyport key generate"));
	assert_int_equal(access("none", F_OK), -1);
	ks = open_store();
	assert_key_works(ks, "alice");
	keystore_free(&ks);
}

static void
test_unlock_by_credential(void **state)
{
	struct reason why;
	struct keystore *ks;
	char dir[128];

	(void)state;
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_open_refused("credential:store", ERR_NOTFOUND, "LoadCredential");
	assert_int_equal(mkdir("cred", 0500), 0);
	assert_int_equal(chmod("cred", 0700), 0);
	/* As systemd leaves it: readable by an ACL, which shows in the group's bits. */
	write_file("cred/store", "0123456789abcdef", 16, 0440);
	snprintf(dir, sizeof(dir), "%s/cred", keystore_lab_dir());
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	assert_int_equal(keystore_open("keys", "credential:store", 1, &ks, &why), 0);
	add_key(ks, "alice", "ed25519");
	keystore_free(&ks);
	assert_int_equal(keystore_open("keys", "credential:store", 0, &ks, &why), 0);
	assert_key_works(ks, "alice");
	keystore_free(&ks);
	write_file("cred/other", "0123456789abcdeg", 16, 0400);
	assert_open_refused("credential:other", ERR_AUTH, "credential:other");
	assert_open_refused("credential:absent", ERR_AUTH, "cred/absent");
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_open_refused("credential:store", ERR_NOTFOUND, "LoadCredential");
	assert_int_equal(keystore_open("keys", "credential:store", 0, &ks, &why), ERR_NOTFOUND);
	assert_non_null(strstr(why.text, "LoadCredential"));
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	assert_int_equal(chmod("cred/store", 0444), 0);
	assert_open_refused("credential:store", ERR_PERM, "mode 0444");
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void
test_unlock_by_passphrase(void **state)
{
	struct reason why;
	struct keystore *ks;
	uint8_t store_file[4096];
	size_t len;

	(void)state;
	input_set("short\n");
	assert_open_refused("passphrase", ERR_FORMAT, "8 characters");
	input_set("");
	assert_open_refused("passphrase", ERR_EOF, "end of input");
	/* The lines of standard input are taken one at a time. */
	input_set("open sesame\nopen sesame\nopen sesamf\nopen sesame");
	assert_int_equal(keystore_open("keys", "passphrase", 1, &ks, &why), 0);
	add_key(ks, "alice", "ed25519");
	keystore_free(&ks);
	assert_int_equal(keystore_open("keys", "passphrase", 0, &ks, &why), 0);
	assert_key_works(ks, "alice");
	keystore_free(&ks);
	assert_open_refused("passphrase", ERR_AUTH, "keys/.store: wrong passphrase");
	assert_int_equal(keystore_open("keys", "passphrase", 0, &ks, &why), 0);
	keystore_free(&ks);
	assert_int_equal(access("keys/.unlock", F_OK), -1);

	/* A store that is locked otherwise says so. */
	assert_open_refused("file:keys/.store", ERR_AUTH, "locked with a passphrase");
	/* Work without bounds is not done. */
	len = read_file("keys/.store", store_file, sizeof(store_file));
	store_file[18 + 4 + 8 + 4 + 16 + 8] = 1; /* memory, top byte */
	write_file("keys/.store", store_file, len, 0600);
	input_set("open sesame\n");
	assert_open_refused("passphrase", ERR_TOOBIG, "keys/.store");
	input_restore();
}

static void
test_rewrap_changes_the_way_to_unlock(void **state)
{
	struct keystore *ks = open_store();
	struct reason why;

	(void)state;
	add_key(ks, "alice", "ed25519");
	assert_int_equal(keystore_rewrap(ks, "nonsense", &why), ERR_CONFIG);
	assert_int_equal(keystore_rewrap(ks, "file:absent/x", &why), ERR_NOTFOUND);
	assert_key_works(ks, "alice");
	/* To a file that is made for it. */
	assert_int_equal(keystore_rewrap(ks, "file:new", &why), 0);
	assert_int_equal(mode_of("new"), 0600);
	assert_key_works(ks, "alice");
	keystore_free(&ks);
	assert_open_refused("file:keys/.unlock", ERR_AUTH, "rewrap");
	assert_int_equal(keystore_open("keys", "file:new", 0, &ks, &why), 0);
	assert_key_works(ks, "alice");
	/* To a passphrase, and back. */
	input_set("open sesame\nopen sesame\n");
	assert_int_equal(keystore_rewrap(ks, "passphrase", &why), 0);
	keystore_free(&ks);
	assert_open_refused("file:new", ERR_AUTH, "passphrase");
	assert_int_equal(keystore_open("keys", "passphrase", 0, &ks, &why), 0);
	input_restore();
	assert_int_equal(keystore_rewrap(ks, "file:keys/.unlock", &why), 0);
	keystore_free(&ks);
	ks = open_store();
	assert_key_works(ks, "alice");
	keystore_free(&ks);
	assert_int_equal(count_files(".new-"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_bad_store_is_refused),
		T(test_unlock_by_file),
		T(test_unlock_by_credential),
		T(test_unlock_by_passphrase),
		T(test_rewrap_changes_the_way_to_unlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
