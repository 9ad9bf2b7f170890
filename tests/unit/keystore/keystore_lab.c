/*
 * A key store in a directory of its own for each test.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "keystore_lab.h"
#include "transport/keys.h"

/* The working directory of the test. */
static char home[64];

int
keystore_lab_setup(void **state)
{
	(void)state;
	strcpy(home, "/tmp/test_keystore.XXXXXX");
	if (sodium_init() == -1 || mkdtemp(home) == NULL)
		return -1;
	return chdir(home);
}

int
keystore_lab_teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "cd / && rm -rf %s", home);
	return chdir("/") == -1 ? -1 : system(cmd);
}

void
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

size_t
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

struct keystore *
open_store(void)
{
	struct reason why;
	struct keystore *ks;
	int r = keystore_open("keys", "file:keys/.unlock", 1, &ks, &why);

	if (r != 0)
		fail_msg("%s", why.text);
	return ks;
}

void
add_key(struct keystore *ks, const char *name, const char *type)
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

#define DATA "what is signed"
#define DATALEN (sizeof(DATA) - 1)

/* Sign and verify; 0 or the first error, with the reason. */
int
use_key(struct keystore *ks, const char *name, const char *alg, const char *want_alg,
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

void
assert_key_works(struct keystore *ks, const char *name)
{
	struct reason why;

	if (use_key(ks, name, NULL, "ssh-ed25519", &why) != 0)
		fail_msg("%s", why.text);
}

void
assert_key_refused(struct keystore *ks, const char *name, int err, const char *word)
{
	struct reason why;
	char path[128];

	assert_int_equal(use_key(ks, name, NULL, "ssh-ed25519", &why), err);
	snprintf(path, sizeof(path), "keys/%s:", name);
	assert_ptr_equal(strstr(why.text, path), why.text);
	if (strstr(why.text, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, word);
	assert_null(strchr(why.text, '\n'));
	assert_key_works(ks, "other");
}

mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

int
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

const char *
keystore_lab_dir(void)
{
	return home;
}
