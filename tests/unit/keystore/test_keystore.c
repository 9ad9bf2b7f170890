/*
 * keystore/keystore.c on real files.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
#include <sodium.h>

#include "base/names.h"
#include "keystore/keystore.h"
#include "transport/keys.h"

#define DATA "what is signed"
#define DATALEN (sizeof(DATA) - 1)

/* Each test has a directory of its own as its working directory. */
static char home[64];

static int
test_setup(void **state)
{
	(void)state;
	strcpy(home, "/tmp/test_keystore.XXXXXX");
	if (sodium_init() == -1 || mkdtemp(home) == NULL)
		return -1;
	return chdir(home);
}

static int
test_teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "cd / && rm -rf %s", home);
	return chdir("/") == -1 ? -1 : system(cmd);
}

static void
write_file(const char *path, const void *p, size_t len, mode_t mode)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, p, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static size_t
read_file(const char *path, uint8_t *out, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_int_not_equal(fd, -1);
	n = read(fd, out, size);
	assert_true(n >= 0);
	close(fd);
	return (size_t)n;
}

/* Open with file:keys/.unlock, which is made when it is not there. */
static struct keystore *
store(void)
{
	struct reason why;
	struct keystore *ks;
	int r = keystore_open("keys", "file:keys/.unlock", 1, &ks, &why);

	if (r != 0)
		fail_msg("%s", why.text);
	return ks;
}

static void
add(struct keystore *ks, const char *name, const char *type)
{
	struct reason why;
	struct secret *priv;
	char wire[64];
	struct buf pub;
	int r;

	buf_init(&pub, 4096);
	assert_int_equal(key_generate(type, &priv, &pub, wire), 0);
	r = keystore_add(ks, name, wire, priv, &pub, &why);
	if (r != 0)
		fail_msg("%s", why.text);
	secret_free(&priv);
	buf_free(&pub);
}

/* Sign and verify; 0 or the first error, with the reason. */
static int
use(struct keystore *ks, const char *name, const char *alg, const char *want_alg,
    struct reason *why)
{
	struct buf pub, sealed, sig;
	char type[64];
	uint8_t flags;
	int r;

	buf_init(&pub, 4096);
	buf_init(&sealed, KEYSTORE_FILE_MAX);
	buf_init(&sig, 4096);
	why->text[0] = '\0';
	r = keystore_public(ks, name, &pub, type, why);
	if (r == 0)
		r = keystore_take(ks, name, &sealed, why);
	if (r == 0)
		r = keystore_sign_with(ks, name, &sealed, alg, DATA, DATALEN, &sig, why);
	if (r == 0)
		r = key_verify(buf_bytes(&pub), want_alg, buf_bytes(&sig), DATA, DATALEN, &flags);
	else
		assert_int_equal(sig.len, 0);
	buf_free(&sealed);
	buf_free(&sig);
	buf_free(&pub);
	return r;
}

static void
assert_use(struct keystore *ks, const char *name)
{
	struct reason why;

	if (use(ks, name, NULL, "ssh-ed25519", &why) != 0)
		fail_msg("%s", why.text);
}

/* Refused with this error, and a reason that names the file; and the other key
 * in the store works. */
static void
assert_refused(struct keystore *ks, const char *name, int err, const char *word)
{
	struct reason why;
	char path[128];

	assert_int_equal(use(ks, name, NULL, "ssh-ed25519", &why), err);
	snprintf(path, sizeof(path), "keys/%s:", name);
	assert_ptr_equal(strstr(why.text, path), why.text);
	if (strstr(why.text, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, word);
	assert_null(strchr(why.text, '\n'));
	assert_use(ks, "other");
}

/* Files in keys/ whose names start so. */
static int
count_files(const char *prefix)
{
	DIR *d = opendir("keys");
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, prefix, strlen(prefix)) == 0)
			n++;
	closedir(d);
	return n;
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

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
test_round_trip(void **state)
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
	ks = store();
	for (i = 0; i < 3; i++)
		add(ks, kinds[i][0], kinds[i][0]);
	umask(mask);
	assert_int_equal(mode_of("keys"), 0700);
	assert_int_equal(mode_of("keys/.store"), 0600);
	assert_int_equal(mode_of("keys/.unlock"), 0600);
	assert_int_equal(mode_of("keys/rsa"), 0600);
	assert_int_equal(mode_of("keys/rsa.pub"), 0644);
	/* Once in the process that made them, once in another's place. */
	for (i = 0; i < 3; i++)
		assert_int_equal(use(ks, kinds[i][0], NULL, kinds[i][2], &why), 0);
	keystore_free(&ks);
	assert_null(ks);
	ks = store();
	for (i = 0; i < 3; i++)
		assert_int_equal(use(ks, kinds[i][0], NULL, kinds[i][2], &why), 0);
	assert_int_equal(use(ks, "rsa", "rsa-sha2-256", "rsa-sha2-256", &why), 0);
	assert_int_equal(use(ks, "rsa", "ssh-rsa", "ssh-rsa", &why), ERR_ALGORITHM);
	assert_int_equal(use(ks, "rsa", "ssh-ed25519", "ssh-ed25519", &why), ERR_ALGORITHM);
	assert_int_equal(use(ks, "none", NULL, "ssh-ed25519", &why), ERR_NOTFOUND);
	keystore_free(&ks);
	keystore_free(&ks);
	assert_int_equal(count_files(".new-"), 0);
}

/* NAME.pub is what OpenSSH reads, and says the same as the sealed file. */
static void
test_public_file(void **state)
{
	struct keystore *ks = store();

	(void)state;
	add(ks, "alice@web-1", "ed25519");
	keystore_free(&ks);
	assert_int_equal(system("ssh-keygen -l -f keys/alice@web-1.pub | "
				"grep -q ' alice@web-1 (ED25519)$'"),
	    0);
}

static void
test_names(void **state)
{
	static const char *const good[] = { "a", "alice", "A.b_c@d+e-f", "0", "x.pub.old", "pubx",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	static const char *const bad[] = { "", ".", "..", ".store", "-x", "a/b", "../a", "a b",
		"alice.pub", "a\n", "a%", "\xc3\xa4",
		"01234567890123456789012345678901234567890123456789012345678901234" };
	struct keystore *ks = store();
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(key_name_ok(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(key_name_ok(bad[i]));
		assert_int_equal(use(ks, bad[i], NULL, "ssh-ed25519", &why), ERR_FORMAT);
		assert_int_equal(keystore_remove(ks, bad[i], &why), ERR_FORMAT);
		assert_null(strchr(why.text, '\n'));
	}
	keystore_free(&ks);
}

static void
test_list_add_remove(void **state)
{
	struct keystore *ks = store();
	struct strlist names = { 0 };
	struct reason why;
	struct secret *priv;
	uint8_t before[4096], after[4096];
	char type[64];
	struct buf pub;
	size_t n;

	(void)state;
	write_file("keys/README", "hello", 5, 0644);
	assert_int_equal(symlink("/etc/passwd", "keys/link"), 0);
	assert_int_equal(mkfifo("keys/fifo", 0600), 0);
	assert_int_equal(keystore_list(ks, &names, &why), 0);
	assert_int_equal(names.n, 0);
	add(ks, "bob", "ed25519");
	add(ks, "alice", "ed25519");
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
	assert_use(ks, "alice");
	assert_int_equal(count_files(".new-"), 0);
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

/* F20: what is wrong with a key's file is said of that file, and of no other. */
static void
test_bad_files(void **state)
{
	struct keystore *ks = store();
	uint8_t good[4096], bad[4096], *big;
	size_t len, i;

	(void)state;
	add(ks, "alice", "ed25519");
	add(ks, "other", "ed25519");
	len = read_file("keys/alice", good, sizeof(good));

	/* Cut short anywhere. */
	for (i = 0; i < len; i++) {
		write_file("keys/alice", good, i, 0600);
		assert_refused(ks, "alice", i < 56 ? ERR_FORMAT : ERR_AUTH, "");
	}
	/* Each byte changed. */
	for (i = 0; i < len; i++) {
		memcpy(bad, good, len);
		bad[i] ^= 0x40;
		write_file("keys/alice", bad, len, 0600);
		assert_refused(ks, "alice", i < 16 ? ERR_FORMAT : ERR_AUTH, "");
	}
	/* Foreign. */
	write_file("keys/alice", "-----BEGIN OPENSSH PRIVATE KEY-----\n", 36, 0600);
	assert_refused(ks, "alice", ERR_FORMAT, "sallyport key add");
	/* Too large. */
	big = calloc(1, 65537);
	memcpy(big, good, len);
	write_file("keys/alice", big, 65537, 0600);
	assert_refused(ks, "alice", ERR_TOOBIG, "65536");
	free(big);
	assert_int_equal(truncate("keys/alice", 1LL << 30), 0);
	assert_refused(ks, "alice", ERR_TOOBIG, "65536");

	/* Modes. */
	write_file("keys/alice", good, len, 0644);
	assert_refused(ks, "alice", ERR_PERM, "chmod 600 keys/alice");
	write_file("keys/alice", good, len, 0620);
	assert_refused(ks, "alice", ERR_PERM, "chmod 600 keys/alice");
	write_file("keys/alice", good, len, 0400);
	assert_use(ks, "alice");
	if (geteuid() != 0) {
		write_file("keys/alice", good, len, 0000);
		assert_refused(ks, "alice", ERR_PERM, "chmod 600 keys/alice");
		assert_int_equal(chmod("keys/alice", 0600), 0);
	} else {
		assert_int_equal(chown("keys/alice", 12345, 12345), 0);
		assert_refused(ks, "alice", ERR_PERM, "12345");
		assert_int_equal(chown("keys/alice", 0, 0), 0);
	}

	/* Not a file. */
	assert_int_equal(rename("keys/alice", "keys/real"), 0);
	assert_int_equal(symlink("real", "keys/alice"), 0);
	assert_refused(ks, "alice", ERR_FORMAT, "symbolic link");
	assert_int_equal(unlink("keys/alice"), 0);
	assert_int_equal(mkfifo("keys/alice", 0600), 0);
	assert_refused(ks, "alice", ERR_FORMAT, "regular file");
	assert_int_equal(unlink("keys/alice"), 0);
	assert_int_equal(mkdir("keys/alice", 0700), 0);
	assert_refused(ks, "alice", ERR_FORMAT, "regular file");
	assert_int_equal(rmdir("keys/alice"), 0);

	/* The name is sealed in: a key cannot be passed off as another. */
	assert_refused(ks, "real", ERR_AUTH, "renamed");
	assert_int_equal(rename("keys/real", "keys/alice"), 0);
	write_file("keys/alice", good, len, 0600);
	assert_use(ks, "alice");
	keystore_free(&ks);
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
test_bad_store(void **state)
{
	struct keystore *ks = store();
	uint8_t good[4096], bad[4096];
	size_t len, i;

	(void)state;
	add(ks, "alice", "ed25519");
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
	ks = store();
	assert_use(ks, "alice");
	keystore_free(&ks);
}

static void
test_unlock_file(void **state)
{
	struct keystore *ks = store();
	struct reason why;
	uint8_t good[128];
	size_t len;

	(void)state;
	add(ks, "alice", "ed25519");
	keystore_free(&ks);
	len = read_file("keys/.unlock", good, sizeof(good));
	assert_int_equal(len, 65);
	/* The newline at its end is not part of it. */
	write_file("keys/.unlock", good, 64, 0600);
	ks = store();
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
	ks = store();
	assert_use(ks, "alice");
	keystore_free(&ks);
}

static void
test_credential(void **state)
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
	snprintf(dir, sizeof(dir), "%s/cred", home);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	assert_int_equal(keystore_open("keys", "credential:store", 1, &ks, &why), 0);
	add(ks, "alice", "ed25519");
	keystore_free(&ks);
	assert_int_equal(keystore_open("keys", "credential:store", 0, &ks, &why), 0);
	assert_use(ks, "alice");
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
test_passphrase(void **state)
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
	add(ks, "alice", "ed25519");
	keystore_free(&ks);
	assert_int_equal(keystore_open("keys", "passphrase", 0, &ks, &why), 0);
	assert_use(ks, "alice");
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
test_rewrap(void **state)
{
	struct keystore *ks = store();
	struct reason why;

	(void)state;
	add(ks, "alice", "ed25519");
	assert_int_equal(keystore_rewrap(ks, "nonsense", &why), ERR_CONFIG);
	assert_int_equal(keystore_rewrap(ks, "file:absent/x", &why), ERR_NOTFOUND);
	assert_use(ks, "alice");
	/* To a file that is made for it. */
	assert_int_equal(keystore_rewrap(ks, "file:new", &why), 0);
	assert_int_equal(mode_of("new"), 0600);
	assert_use(ks, "alice");
	keystore_free(&ks);
	assert_open_refused("file:keys/.unlock", ERR_AUTH, "rewrap");
	assert_int_equal(keystore_open("keys", "file:new", 0, &ks, &why), 0);
	assert_use(ks, "alice");
	/* To a passphrase, and back. */
	input_set("open sesame\nopen sesame\n");
	assert_int_equal(keystore_rewrap(ks, "passphrase", &why), 0);
	keystore_free(&ks);
	assert_open_refused("file:new", ERR_AUTH, "passphrase");
	assert_int_equal(keystore_open("keys", "passphrase", 0, &ks, &why), 0);
	input_restore();
	assert_int_equal(keystore_rewrap(ks, "file:keys/.unlock", &why), 0);
	keystore_free(&ks);
	ks = store();
	assert_use(ks, "alice");
	keystore_free(&ks);
	assert_int_equal(count_files(".new-"), 0);
}

/* Add a password as it is read from a person. */
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
test_password(void **state)
{
	char longest[KEYSTORE_PASSWORD_MAX + 2];
	uint8_t file[4096], other[4096];
	struct keystore *ks = store();
	struct strlist names = { 0 };
	struct reason why;
	struct secret *password;
	size_t len;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[KEYSTORE_PASSWORD_MAX] = '\0';
	add(ks, "other", "ed25519");
	add_password(ks, "pw", "open; sesame\001 #\xe2\x98\x82");
	add_password(ks, "long", longest);
	assert_password(ks, "pw", "open; sesame\001 #\xe2\x98\x82");
	assert_password(ks, "long", longest);
	assert_int_equal(mode_of("keys/pw"), 0600);
	assert_int_equal(access("keys/pw.pub", F_OK), -1);
	assert_int_equal(keystore_kind(ks, "pw"), KEYSTORE_PASSWORD);
	assert_int_equal(keystore_kind(ks, "other"), KEYSTORE_KEY);
	assert_int_equal(keystore_kind(ks, ".store"), KEYSTORE_OTHER);

	/* The file says nothing of it, its length included. */
	len = read_file("keys/pw", file, sizeof(file));
	assert_null(memmem(file, len, "sesame", 6));
	assert_int_equal(read_file("keys/long", other, sizeof(other)), len);

	/* One name, one secret. */
	password = secret_from("another", 8);
	assert_int_equal(keystore_add_password(ks, "pw", password, &why), ERR_EXISTS);
	assert_int_equal(keystore_add_password(ks, "other", password, &why), ERR_EXISTS);
	assert_non_null(strstr(why.text, "sallyport key remove other"));
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

/* A password never passes for a key, nor a key for a password, even under its name and
 * with its first bytes. */
static void
test_password_is_no_key(void **state)
{
	struct keystore *ks = store();
	uint8_t file[4096];
	size_t len, i;

	(void)state;
	add(ks, "alice", "ed25519");
	add(ks, "other", "ed25519");
	add_password(ks, "pw", "secret");
	assert_refused(ks, "pw", ERR_ALGORITHM, "is a password, not a key");
	assert_no_password(ks, "alice", ERR_ALGORITHM, "is a key, not a password");

	len = read_file("keys/alice", file, sizeof(file));
	memcpy(file, "SALLYPORT-PWD-1\n", 16);
	write_file("keys/alice", file, len, 0600);
	assert_no_password(ks, "alice", ERR_AUTH, "keys/alice: is damaged");
	len = read_file("keys/pw", file, sizeof(file));
	memcpy(file, "SALLYPORT-KEY-1\n", 16);
	write_file("keys/pw", file, len, 0600);
	assert_refused(ks, "pw", ERR_AUTH, "is damaged");

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

/* F08: a disk that is full in the middle of a key leaves nothing behind.  The
 * limit on the size of files stands in for it. */
static void
test_full_disk(void **state)
{
	struct rlimit before, now;
	struct keystore *ks = store();
	struct reason why;
	struct secret *priv;
	uint8_t store_file[4096], after[4096];
	struct buf pub;
	char type[64];
	size_t len;
	rlim_t limit;

	(void)state;
	add(ks, "alice", "ed25519");
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
	assert_use(ks, "alice");
	assert_int_equal(keystore_add(ks, "bob", type, priv, &pub, &why), 0);
	assert_use(ks, "bob");
	secret_free(&priv);
	buf_free(&pub);
	keystore_free(&ks);
}

/* A store that belongs to the gateway's user stays usable to it when root adds
 * a key or a store. */
static void
test_root_adds(void **state)
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
	ks = store();
	add(ks, "alice", "ed25519");
	assert_int_equal(stat("keys/alice", &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 12346);
	assert_use(ks, "alice");
	keystore_free(&ks);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		struct reason why;

		if (setgid(12346) == -1 || setuid(12345) == -1)
			_exit(2);
		if (keystore_open("keys", "file:keys/.unlock", 0, &ks, &why) != 0)
			_exit(3);
		_exit(use(ks, "alice", NULL, "ssh-ed25519", &why) == 0 ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, test_setup, test_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_public_file),
		TEST(test_names),
		TEST(test_list_add_remove),
		TEST(test_bad_files),
		TEST(test_bad_store),
		TEST(test_unlock_file),
		TEST(test_credential),
		TEST(test_passphrase),
		TEST(test_rewrap),
		TEST(test_password),
		TEST(test_password_is_no_key),
		TEST(test_full_disk),
		TEST(test_root_adds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
