/*
 * The directory of a key store: making, opening and unlocking it, and the names in it.  The
 * parts that deal with the content of its files are keystore_seal.c, keystore_key.c,
 * keystore_password.c and unlock.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/fd.h"
#include "base/log.h"
#include "keystore/keystore.h"
#include "keystore/keystore_private.h"
#include "base/secret_file.h"
#include "keystore/unlock.h"

#define STORE_NAME ".store"

static int
store_read(const struct secret_dir *dir, struct buf *store, struct reason *why)
{
	return secret_file_read(dir, STORE_NAME, 077, store, why);
}

static void
store_missing(const char *path, struct reason *why)
{
	reason_set(why, "%s: there is no key store yet; make one with: sallyport key generate",
	    path);
}

static int
store_unlock(struct keystore *ks, struct reason *why)
{
	char shown[512];
	struct buf store;
	int r;

	buf_init(&store, UNLOCK_FILE_MAX);
	snprintf(shown, sizeof(shown), "%s/" STORE_NAME, ks->path);
	r = store_read(&ks->dir, &store, why);
	if (r == 0)
		r = unlock_unwrap(ks->unlock, &ks->dir, &store, shown, &ks->key, why);
	buf_free(&store);
	return r;
}

/* Wrap the store key under spec, and write .store. */
static int
store_write(struct keystore *ks, const char *spec, struct secret *key, int replace,
    struct reason *why)
{
	struct buf store;
	int made, r;

	if ((r = unlock_make_file(spec, &ks->dir, &made, why)) != 0)
		return r;
	buf_init(&store, UNLOCK_FILE_MAX);
	r = unlock_wrap(spec, &ks->dir, key, &store, why);
	if (r == 0)
		r = secret_file_write(&ks->dir, STORE_NAME, store.data, store.len, 0600, replace,
		    why);
	buf_free(&store);
	/* A file that unlocks nothing is useless; but if another process has made a .store
	 * meanwhile, this file may unlock that one. */
	if (r != 0 && r != ERR_EXISTS && made)
		unlock_remove_file(spec);
	return r;
}

/* Make a store key for a directory without one.  If there are sealed keys but no .store,
 * refuse: a new store key could not open them. */
static int
store_create(struct keystore *ks, struct reason *why)
{
	struct strlist names = { 0 };
	struct secret *key;
	int r;

	if ((r = keystore_list(ks, &names, why)) != 0)
		return r;
	if (names.n > 0) {
		reason_set(why,
		    "%s/" STORE_NAME ": is missing, and the keys (%s%s) cannot be "
		    "opened without it; restore it, or move the keys away",
		    ks->path, names.v[0], names.n > 1 ? ", ..." : "");
		strlist_free(&names);
		return ERR_BADSTATE;
	}
	key = secret_new(UNLOCK_KEY_SIZE);
	if (key == NULL) {
		reason_set(why, "out of memory");
		return ERR_NOMEM;
	}
	randombytes_buf(secret_open(key), UNLOCK_KEY_SIZE);
	secret_close(key);
	r = store_write(ks, ks->unlock, key, 0, why);
	if (r != 0) {
		secret_free(&key);
		/* Another process has made one since it was looked for: that one counts. */
		return r == ERR_EXISTS ? store_unlock(ks, why) : r;
	}
	/* a directory of a checkout is open to everybody, and `cp -a` would take that along */
	if (fchmod(ks->dir.fd, 0700) == -1)
		log_info("%s: others can see the names of its keys; run: chmod 700 %s", ks->path,
		    ks->path);
	ks->key = key;
	return 0;
}

static int
store_open(struct keystore *ks, int create, struct reason *why)
{
	int r;

	if (create && mkdir(ks->path, 0700) == -1 && errno != EEXIST) {
		reason_set(why, "%s: cannot be made: %s", ks->path, strerror(errno));
		return ERR_SYS;
	}
	r = secret_dir_open(ks->path, &ks->dir, why);
	if (r == 0)
		r = store_unlock(ks, why);
	/* If .store is there, it is the file that unlocks it which is missing: no reason to
	 * make another store. */
	if (r != ERR_NOTFOUND ||
	    (ks->dir.fd != -1 && faccessat(ks->dir.fd, STORE_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0))
		return r;
	if (create)
		return store_create(ks, why);
	store_missing(ks->path, why);
	return ERR_NOTFOUND;
}

int
keystore_open(const char *path, const char *unlock, int create, struct keystore **out,
    struct reason *why)
{
	struct keystore *ks;
	int r;

	*out = NULL;
	why->text[0] = '\0';
	if (sodium_init() == -1) {
		reason_set(why, "libsodium cannot start");
		return ERR_BADSTATE;
	}
	ks = calloc(1, sizeof(*ks));
	if (ks != NULL) {
		ks->refs = 1;
		ks->dir.fd = -1;
		ks->path = strdup(path);
		ks->unlock = strdup(unlock);
	}
	if (ks == NULL || ks->path == NULL || ks->unlock == NULL) {
		reason_set(why, "out of memory");
		r = ERR_NOMEM;
	} else {
		r = store_open(ks, create, why);
	}
	if (r != 0)
		keystore_free(&ks);
	*out = ks;
	return r;
}

int
keystore_probe(const char *path, const char *unlock, struct keystore **out, struct reason *why)
{
	struct secret_dir dir;
	char shown[512];
	struct buf store;
	int r;

	if (unlock_at_hand(unlock))
		return keystore_open(path, unlock, 0, out, why);
	*out = NULL;
	r = secret_dir_open(path, &dir, why);
	if (r != 0)
		return r;
	buf_init(&store, UNLOCK_FILE_MAX);
	r = store_read(&dir, &store, why);
	if (r == ERR_NOTFOUND) {
		store_missing(path, why);
	} else if (r == 0) {
		snprintf(shown, sizeof(shown), "%s/" STORE_NAME, path);
		r = unlock_look(unlock, &store, shown, why);
	}
	buf_free(&store);
	secret_dir_close(&dir);
	return r;
}

int
keystore_look(const char *path, enum keystore_kind kind, const char *name, struct reason *why)
{
	struct secret_dir dir;
	struct buf file;
	int r;

	if ((r = key_name_check(name, why)) != 0 || (r = secret_dir_open(path, &dir, why)) != 0)
		return r;
	buf_init(&file, KEYSTORE_FILE_MAX);
	r = secret_file_read(&dir, name, 077, &file, why);
	if (r == 0)
		r = keystore_sealed_check(path, kind, name, &file, why);
	buf_free(&file);
	secret_dir_close(&dir);
	return r;
}

struct keystore *
keystore_ref(struct keystore *ks)
{
	ks->refs++;
	return ks;
}

void
keystore_free(struct keystore **ks)
{
	if (*ks == NULL)
		return;
	if (--(*ks)->refs > 0) {
		*ks = NULL;
		return;
	}
	secret_free(&(*ks)->key);
	secret_dir_close(&(*ks)->dir);
	free((*ks)->unlock);
	free((*ks)->path);
	free(*ks);
	*ks = NULL;
}

int
keystore_rewrap(struct keystore *ks, const char *unlock, struct reason *why)
{
	char *copy = strdup(unlock);
	int r;

	if (copy == NULL) {
		reason_set(why, "out of memory");
		return ERR_NOMEM;
	}
	if ((r = store_write(ks, unlock, ks->key, 1, why)) != 0) {
		free(copy);
		return r;
	}
	free(ks->unlock);
	ks->unlock = copy;
	return 0;
}

/* Is NAME a sealed file, sound or not?  It is if its first bytes say so, or if it has a public
 * half. */
static int
store_has(struct keystore *ks, const char *name)
{
	char name_pub[KEY_NAME_MAX + 5];
	struct stat st;

	snprintf(name_pub, sizeof(name_pub), "%s.pub", name);
	if (fstatat(ks->dir.fd, name_pub, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return keystore_file_kind(ks->dir.fd, name) != KEYSTORE_OTHER;
}

enum keystore_kind
keystore_kind(const struct keystore *ks, const char *name)
{
	return key_name_ok(name) ? keystore_file_kind(ks->dir.fd, name) : KEYSTORE_OTHER;
}

int
keystore_remove(struct keystore *ks, const char *name, struct reason *why)
{
	char name_pub[KEY_NAME_MAX + 5];
	int r;

	if ((r = key_name_check(name, why)) != 0)
		return r;
	if (faccessat(ks->dir.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT) {
		reason_set(why, "%s/%s: there is no such key; see: sallyport key list", ks->path,
		    name);
		return ERR_NOTFOUND;
	}
	if (!store_has(ks, name)) {
		reason_set(why, "%s/%s: is not a sealed key and stays", ks->path, name);
		return ERR_FORMAT;
	}
	/* Remove the public half last: while it is there, the key is still listed. */
	snprintf(name_pub, sizeof(name_pub), "%s.pub", name);
	if (unlinkat(ks->dir.fd, name, 0) == -1 ||
	    (unlinkat(ks->dir.fd, name_pub, 0) == -1 && errno != ENOENT)) {
		reason_set(why, "%s/%s: cannot be removed: %s", ks->path, name, strerror(errno));
		return ERR_SYS;
	}
	(void)fsync(ks->dir.fd);
	return 0;
}

static int
store_compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
keystore_list(struct keystore *ks, struct strlist *names, struct reason *why)
{
	int fd = openat(ks->dir.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		reason_set(why, "%s: %s", ks->path, strerror(errno));
		fd_close(&fd);
		return ERR_SYS;
	}
	while (r == 0 && (e = readdir(d)) != NULL) {
		if (key_name_ok(e->d_name) && store_has(ks, e->d_name))
			r = strlist_add(names, e->d_name, strlen(e->d_name));
	}
	closedir(d);
	if (r != 0)
		reason_set(why, "%s: %s", ks->path, err_str(r));
	else if (names->n > 1)
		qsort(names->v, names->n, sizeof(*names->v), store_compare_names);
	return r;
}
