/*
 * keystore/keystore.c and keystore_key.c: keys are added, listed, used and removed, in real files.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/names.h"
#include "keystore/keystore.h"
#include "keystore_lab.h"
#include "transport/keys.h"

static void
test_keys_sign_after_they_are_stored(void **state)
{
	static const char *const kinds[][3] = {
		{ "ed25519", "ssh-ed25519", "ssh-ed25519" },
		{ "ecdsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256" },
		{ "rsa", "ssh-rsa", "rsa-sha2-512" },
	};
	struct reason why;
	struct keystore *ks;
	mode_t mask = umask(0);
	size_t i;

	(void)state;
	ks = open_store();
	for (i = 0; i < 3; i++)
		add_key(ks, kinds[i][0], kinds[i][0]);
	umask(mask);
	assert_int_equal(mode_of("keys"), 0700);
	assert_int_equal(mode_of("keys/.store"), 0600);
	assert_int_equal(mode_of("keys/.unlock"), 0600);
	assert_int_equal(mode_of("keys/rsa"), 0600);
	assert_int_equal(mode_of("keys/rsa.pub"), 0644);
	/* with the store that made them, and with one that is opened again */
	for (i = 0; i < 3; i++)
		assert_int_equal(use_key(ks, kinds[i][0], NULL, kinds[i][2], &why), 0);
	keystore_free(&ks);
	assert_null(ks);
	ks = open_store();
	for (i = 0; i < 3; i++)
		assert_int_equal(use_key(ks, kinds[i][0], NULL, kinds[i][2], &why), 0);
	assert_int_equal(use_key(ks, "rsa", "rsa-sha2-256", "rsa-sha2-256", &why), 0);
	assert_int_equal(use_key(ks, "rsa", "ssh-rsa", "ssh-rsa", &why), ERR_ALGORITHM);
	assert_int_equal(use_key(ks, "rsa", "ssh-ed25519", "ssh-ed25519", &why), ERR_ALGORITHM);
	assert_int_equal(use_key(ks, "none", NULL, "ssh-ed25519", &why), ERR_NOTFOUND);
	keystore_free(&ks);
	keystore_free(&ks);
	assert_int_equal(count_files(".new-"), 0);
}

static void
test_directory_is_closed_when_store_is_made(void **state)
{
	struct keystore *ks;

	(void)state;
	assert_int_equal(mkdir("keys", 0755), 0);
	assert_int_equal(chmod("keys", 0755), 0);
	ks = open_store();
	keystore_free(&ks);
	assert_int_equal(mode_of("keys"), 0700);
	/* later, its modes are the administrator's */
	assert_int_equal(chmod("keys", 0750), 0);
	ks = open_store();
	add_key(ks, "alice", "ed25519");
	keystore_free(&ks);
	assert_int_equal(mode_of("keys"), 0750);
}

/* NAME.pub is what OpenSSH reads, and says the same as the sealed file. */
static void
test_public_file_is_that_of_openssh(void **state)
{
	struct keystore *ks = open_store();

	(void)state;
	add_key(ks, "alice@web-1", "ed25519");
	keystore_free(&ks);
	assert_int_equal(system("ssh-keygen -l -f keys/alice@web-1.pub | "
				"grep -q ' alice@web-1 (ED25519)$'"),
	    0);
}

static void
test_names_of_keys(void **state)
{
	static const char *const good[] = { "a", "alice", "A.b_c@d+e-f", "0", "x.pub.old", "pubx",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	static const char *const bad[] = { "", ".", "..", ".store", "-x", "a/b", "../a", "a b",
		"alice.pub", "a\n", "a%", "\xc3\xa4",
		"01234567890123456789012345678901234567890123456789012345678901234" };
	struct keystore *ks = open_store();
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(key_name_ok(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(key_name_ok(bad[i]));
		assert_int_equal(use_key(ks, bad[i], NULL, "ssh-ed25519", &why), ERR_FORMAT);
		assert_int_equal(keystore_remove(ks, bad[i], &why), ERR_FORMAT);
		assert_null(strchr(why.text, '\n'));
	}
	keystore_free(&ks);
}

static void
test_list_add_remove(void **state)
{
	struct keystore *ks = open_store();
	struct strlist names = { 0 };
	struct reason why;
	struct secret *priv;
	uint8_t before[4096], after[4096];
	char type[64];
	struct buf pub, shown;
	size_t n;

	(void)state;
	write_file("keys/README", "hello", 5, 0644);
	assert_int_equal(symlink("/etc/passwd", "keys/link"), 0);
	assert_int_equal(mkfifo("keys/fifo", 0600), 0);
	assert_int_equal(keystore_list(ks, &names, &why), 0);
	assert_int_equal(names.n, 0);
	add_key(ks, "bob", "ed25519");
	add_key(ks, "alice", "ed25519");
	assert_int_equal(keystore_list(ks, &names, &why), 0);
	assert_int_equal(names.n, 2);
	assert_string_equal(names.v[0], "alice");
	assert_string_equal(names.v[1], "bob");
	strlist_free(&names);

	/* A second key of the same name changes nothing. */
	n = read_file("keys/alice", before, sizeof(before));
	buf_init(&pub, 4096);
	assert_int_equal(key_generate("ed25519", &priv, &pub, type), 0);
	assert_int_equal(keystore_add(ks, "alice", type, priv, &pub, &why), ERR_EXISTS);
	assert_int_equal(keystore_add(ks, "README", type, priv, &pub, &why), ERR_EXISTS);
	assert_int_equal(keystore_add(ks, "link", type, priv, &pub, &why), ERR_EXISTS);
	assert_int_equal(read_file("keys/alice", after, sizeof(after)), n);
	assert_memory_equal(before, after, n);
	assert_key_works(ks, "alice");
	assert_int_equal(count_files(".new-"), 0);

	/* with keystore_replace() it takes its place, and that of nothing else */
	assert_int_equal(keystore_replace(ks, "README", type, priv, &pub, &why), ERR_FORMAT);
	assert_int_equal(keystore_replace(ks, "link", type, priv, &pub, &why), ERR_FORMAT);
	assert_int_equal(keystore_replace(ks, "../x", type, priv, &pub, &why), ERR_FORMAT);
	assert_int_equal(keystore_replace(ks, "alice", type, priv, &pub, &why), 0);
	buf_init(&shown, 4096);
	assert_int_equal(keystore_public(ks, "alice", &shown, type, &why), 0);
	assert_true(bytes_equal(buf_bytes(&shown), buf_bytes(&pub)));
	buf_free(&shown);
	assert_key_works(ks, "alice");
	assert_int_equal(count_files(".new-"), 0);
	assert_int_equal(count_files("alice"), 2);
	secret_free(&priv);
	buf_free(&pub);

	assert_int_equal(keystore_remove(ks, "alice", &why), 0);
	assert_int_equal(keystore_remove(ks, "alice", &why), ERR_NOTFOUND);
	assert_int_equal(keystore_remove(ks, "README", &why), ERR_FORMAT);
	assert_int_equal(access("keys/README", F_OK), 0);
	assert_int_equal(access("keys/alice.pub", F_OK), -1);
	assert_int_equal(keystore_list(ks, &names, &why), 0);
	assert_int_equal(names.n, 1);
	strlist_free(&names);
	/* A key that is no longer sound can be listed and removed still. */
	write_file("keys/bob", "junk", 4, 0644);
	assert_int_equal(keystore_list(ks, &names, &why), 0);
	assert_int_equal(names.n, 1);
	strlist_free(&names);
	assert_int_equal(keystore_remove(ks, "bob", &why), 0);
	keystore_free(&ks);
}

/* A bad file is named in the reason, and affects no other key. */
static void
test_bad_file_of_a_key_is_refused(void **state)
{
	struct keystore *ks = open_store();
	uint8_t good[4096], bad[4096], *big;
	size_t len, i;

	(void)state;
	add_key(ks, "alice", "ed25519");
	add_key(ks, "other", "ed25519");
	len = read_file("keys/alice", good, sizeof(good));

	/* Cut short anywhere. */
	for (i = 0; i < len; i++) {
		write_file("keys/alice", good, i, 0600);
		assert_key_refused(ks, "alice", i < 56 ? ERR_FORMAT : ERR_AUTH, "");
	}
	/* Each byte changed. */
	for (i = 0; i < len; i++) {
		memcpy(bad, good, len);
		bad[i] ^= 0x40;
		write_file("keys/alice", bad, len, 0600);
		assert_key_refused(ks, "alice", i < 16 ? ERR_FORMAT : ERR_AUTH, "");
	}
	/* Foreign. */
	write_file("keys/alice", "-----BEGIN OPENSSH PRIVATE KEY-----\n", 36, 0600);
	assert_key_refused(ks, "alice", ERR_FORMAT, "sallyport key add");
	/* Too large. */
	big = calloc(1, 65537);
	memcpy(big, good, len);
	write_file("keys/alice", big, 65537, 0600);
	assert_key_refused(ks, "alice", ERR_TOOBIG, "65536");
	free(big);
	assert_int_equal(truncate("keys/alice", 1LL << 30), 0);
	assert_key_refused(ks, "alice", ERR_TOOBIG, "65536");

	/* Modes. */
	write_file("keys/alice", good, len, 0644);
	assert_key_refused(ks, "alice", ERR_PERM, "chmod 600 keys/alice");
	write_file("keys/alice", good, len, 0620);
	assert_key_refused(ks, "alice", ERR_PERM, "chmod 600 keys/alice");
	write_file("keys/alice", good, len, 0400);
	assert_key_works(ks, "alice");
	if (geteuid() != 0) {
		write_file("keys/alice", good, len, 0000);
		assert_key_refused(ks, "alice", ERR_PERM, "chmod 600 keys/alice");
		assert_int_equal(chmod("keys/alice", 0600), 0);
	} else {
		assert_int_equal(chown("keys/alice", 12345, 12345), 0);
		assert_key_refused(ks, "alice", ERR_PERM, "12345");
		assert_int_equal(chown("keys/alice", 0, 0), 0);
	}

	/* Not a file. */
	assert_int_equal(rename("keys/alice", "keys/real"), 0);
	assert_int_equal(symlink("real", "keys/alice"), 0);
	assert_key_refused(ks, "alice", ERR_FORMAT, "symbolic link");
	assert_int_equal(unlink("keys/alice"), 0);
	assert_int_equal(mkfifo("keys/alice", 0600), 0);
	assert_key_refused(ks, "alice", ERR_FORMAT, "regular file");
	assert_int_equal(unlink("keys/alice"), 0);
	assert_int_equal(mkdir("keys/alice", 0700), 0);
	assert_key_refused(ks, "alice", ERR_FORMAT, "regular file");
	assert_int_equal(rmdir("keys/alice"), 0);

	/* The name is sealed in: a key cannot be passed off as another. */
	assert_key_refused(ks, "real", ERR_AUTH, "renamed");
	assert_int_equal(rename("keys/real", "keys/alice"), 0);
	write_file("keys/alice", good, len, 0600);
	assert_key_works(ks, "alice");
	keystore_free(&ks);
}

/* A limit on the size of files stands in for a full disk. */
static void
test_full_disk_leaves_nothing_behind(void **state)
{
	struct rlimit before, now;
	struct keystore *ks = open_store();
	struct reason why;
	struct secret *priv;
	uint8_t store_file[4096], after[4096];
	struct buf pub;
	char type[64];
	size_t len;
	rlim_t limit;

	(void)state;
	add_key(ks, "alice", "ed25519");
	len = read_file("keys/.store", store_file, sizeof(store_file));
	buf_init(&pub, 4096);
	assert_int_equal(key_generate("ed25519", &priv, &pub, type), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	/* 0 stops the public half, 100 the sealed key. */
	for (limit = 0; limit <= 100; limit += 100) {
		now = before;
		now.rlim_cur = limit;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
		assert_int_equal(keystore_add(ks, "bob", type, priv, &pub, &why), ERR_SYS);
		assert_non_null(strstr(why.text, strerror(EFBIG)));
		if (limit == 0) {
			assert_int_equal(keystore_rewrap(ks, "file:new", &why), ERR_SYS);
			assert_int_equal(keystore_rewrap(ks, "file:keys/.unlock", &why), ERR_SYS);
		} else { /* the file is made, but no store that needs it */
			assert_int_equal(keystore_rewrap(ks, "file:new", &why), ERR_SYS);
		}
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_int_equal(access("new", F_OK), -1);
		assert_int_equal(count_files("bob"), 0);
		assert_int_equal(count_files(".new-"), 0);
	}
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(read_file("keys/.store", after, sizeof(after)), len);
	assert_memory_equal(store_file, after, len);
	assert_key_works(ks, "alice");
	assert_int_equal(keystore_add(ks, "bob", type, priv, &pub, &why), 0);
	assert_key_works(ks, "bob");
	secret_free(&priv);
	buf_free(&pub);
	keystore_free(&ks);
}

/* When root adds a key or a store to a directory of another user, that user can read it. */
static void
test_key_of_root_stays_usable_to_the_owner(void **state)
{
	struct keystore *ks;
	struct stat st;
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir("keys", 0700), 0);
	assert_int_equal(chown("keys", 12345, 12346), 0);
	assert_int_equal(chmod(".", 0755), 0);
	ks = open_store();
	add_key(ks, "alice", "ed25519");
	assert_int_equal(stat("keys/alice", &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 12346);
	assert_key_works(ks, "alice");
	keystore_free(&ks);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		struct reason why;

		if (setgid(12346) == -1 || setuid(12345) == -1)
			_exit(2);
		if (keystore_open("keys", "file:keys/.unlock", 0, &ks, &why) != 0)
			_exit(3);
		_exit(use_key(ks, "alice", NULL, "ssh-ed25519", &why) == 0 ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_keys_sign_after_they_are_stored),
		T(test_directory_is_closed_when_store_is_made),
		T(test_public_file_is_that_of_openssh),
		T(test_names_of_keys),
		T(test_list_add_remove),
		T(test_bad_file_of_a_key_is_refused),
		T(test_full_disk_leaves_nothing_behind),
		T(test_key_of_root_stays_usable_to_the_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
