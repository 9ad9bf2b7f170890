/*
 * Indexes over the lists of keys in a route's files, kept from login to login.  user_key.c
 * asks for each key that a client offers.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "formats/krl.h"
#include "base/fd.h"
#include "access/user_key.h"
#include "access/key_list_cache.h"
#include "access/route_files.h"

/* Reading a shorter file (40 keys) costs less than an index saves. */
#define WORTH_IT 4096

/* A file that was changed less than this before it was read may change again without a new
 * time: file systems keep times in steps of up to 2 s (FAT).  Until then its content is hashed
 * at each use. */
#define SETTLED_S 2

/* What differs between two versions of a file. */
struct version {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct list {
	struct key_index *index; /* NULL: a free entry */
	enum key_index_kind kind;
	struct version version;
	uint8_t hash[32]; /* of the content, until it is settled */
	int settled;
	uint64_t used;
};

static struct {
	struct list lists[KEY_LIST_CACHE_MAX];
	size_t bytes; /* of memory, of all indexes */
	uint64_t uses;
	unsigned long made;
} cache;

/* A file that is open, with its index, its text, or both. */
struct view {
	int fd;
	struct list *list; /* or NULL */
	struct buf text;   /* empty if an index was found */
	struct buf line;   /* the line read last, if there is no text */
};

static void
cache_drop(struct list *l)
{
	if (l->index == NULL)
		return;
	cache.bytes -= key_index_size(l->index);
	key_index_free(&l->index);
	*l = (struct list){ .index = NULL };
}

void
key_list_cache_forget(void)
{
	size_t i;

	for (i = 0; i < KEY_LIST_CACHE_MAX; i++)
		cache_drop(&cache.lists[i]);
}

unsigned long
key_list_cache_made(void)
{
	return cache.made;
}

static int
cache_version(int fd, struct version *v)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return ERR_SYS;
	*v = (struct version){ st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim };
	return 0;
}

static int
cache_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static struct list *
cache_find(const struct version *v, enum key_index_kind kind)
{
	struct list *l;
	size_t i;

	for (i = 0; i < KEY_LIST_CACHE_MAX; i++) {
		l = &cache.lists[i];
		if (l->index != NULL && l->kind == kind && l->version.ino == v->ino &&
		    l->version.dev == v->dev)
			return l;
	}
	return NULL;
}

static int
cache_is_version(const struct list *l, const struct version *v)
{
	return l->version.size == v->size && cache_same_time(&l->version.mtime, &v->mtime) &&
	    cache_same_time(&l->version.ctime, &v->ctime);
}

/* An entry for an index of this size: a free one, or else that of the index used longest ago.
 * NULL: it alone is over the limit. */
static struct list *
cache_place(size_t bytes)
{
	struct list *oldest, *place;
	size_t i;

	for (;;) {
		oldest = place = NULL;
		for (i = 0; i < KEY_LIST_CACHE_MAX; i++) {
			if (cache.lists[i].index == NULL)
				place = &cache.lists[i];
			else if (oldest == NULL || cache.lists[i].used < oldest->used)
				oldest = &cache.lists[i];
		}
		if (place != NULL && cache.bytes + bytes <= KEY_LIST_CACHE_BYTES_MAX)
			return place;
		if (oldest == NULL)
			return NULL;
		cache_drop(oldest);
	}
}

/* Was the file changed so long ago that a later change would show in its times? */
static int
cache_is_settled(const struct version *v)
{
	struct timespec now;

	return clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_sec > v->ctime.tv_sec + SETTLED_S;
}

/* Index the text, in place of the index of an older version.  NULL if that fails. */
static struct list *
cache_make(struct list *old, const struct version *v, enum key_index_kind kind, int settled,
    const struct buf *text)
{
	struct key_index *index;
	struct list *l;

	if (old != NULL)
		cache_drop(old);
	cache.made++;
	if (key_index_new(buf_bytes(text), kind, &index) != 0)
		return NULL;
	l = cache_place(key_index_size(index));
	if (l == NULL) {
		key_index_free(&index);
		return NULL;
	}
	*l = (struct list){ .index = index, .kind = kind, .version = *v, .settled = settled };
	cache.bytes += key_index_size(index);
	if (!settled)
		crypto_generichash(l->hash, sizeof(l->hash), text->data, text->len, NULL, 0);
	return l;
}

/* The index for a text that had to be read, as there was no index that is certain.  NULL:
 * none. */
static struct list *
cache_of_text(struct list *l, const struct version *v, enum key_index_kind kind, int settled,
    const struct buf *text)
{
	uint8_t hash[sizeof(l->hash)];

	if (text->len < WORTH_IT)
		return NULL;
	if (l != NULL && cache_is_version(l, v) && !l->settled) {
		crypto_generichash(hash, sizeof(hash), text->data, text->len, NULL, 0);
		l->settled = settled;
		if (memcmp(hash, l->hash, sizeof(hash)) == 0)
			return l;
	}
	return cache_make(l, v, kind, settled, text);
}

static void
cache_view_close(struct view *v)
{
	fd_close(&v->fd);
	buf_free(&v->text);
	buf_free(&v->line);
}

/* Open a file; read its text unless there is an index that is certain.  0, or an ERR_* with
 * unread. */
static int
cache_view_open(struct view *v, const struct route *r, const char *path, enum key_index_kind kind,
    size_t max, struct reason *unread)
{
	struct version version;
	int err, settled;

	v->list = NULL;
	buf_init(&v->text, max);
	buf_init(&v->line, AUTHORIZED_LINE_MAX);
	err = route_file_open(r, path, &v->fd, unread);
	if (err != 0)
		return err;
	if ((err = cache_version(v->fd, &version)) != 0)
		goto out;
	v->list = cache_find(&version, kind);
	if (v->list == NULL || !v->list->settled || !cache_is_version(v->list, &version)) {
		/* asked before it is read: what is written meanwhile makes another version */
		settled = cache_is_settled(&version);
		err = version.size > (off_t)max ? ERR_TOOBIG : fd_read_all(v->fd, &v->text);
		if (err == 0 && kind == KEY_INDEX_REVOKED && krl_is_binary(buf_bytes(&v->text)))
			v->list = NULL;
		else if (err == 0)
			v->list = cache_of_text(v->list, &version, kind, settled, &v->text);
	}
	if (v->list != NULL)
		v->list->used = ++cache.uses;
out:
	if (err != 0)
		reason_set(unread, "%.400s: %s", path,
		    err == ERR_TOOBIG ? "is too large" : err_str(err));
	return err;
}

static int
cache_view_line(void *ctx, const struct key_line *at, struct bytes *line)
{
	struct view *v = ctx;
	uint8_t *to;
	ssize_t n;

	if (v->text.len > 0) {
		*line = (struct bytes){ v->text.data + at->offset, at->len };
		return 0;
	}
	buf_reset(&v->line);
	to = buf_reserve(&v->line, at->len);
	if (to == NULL)
		return buf_err(&v->line);
	do
		n = pread(v->fd, to, at->len, at->offset);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return ERR_SYS;
	/* if the file has been cut short, the line is no longer there, or another */
	*line = (struct bytes){ to, (size_t)n };
	return 0;
}

/* Lines were read one by one: if the file is not the indexed version any more, read all of it. */
static int
cache_view_again(struct view *v)
{
	struct version version;

	if (v->text.len > 0)
		return 0;
	if (cache_version(v->fd, &version) == 0 && cache_is_version(v->list, &version))
		return 0;
	v->list = NULL;
	if (lseek(v->fd, 0, SEEK_SET) == -1)
		return ERR_SYS;
	return fd_read_all(v->fd, &v->text);
}

static int
cache_view_find(struct view *v, const struct authorized_request *request,
    struct authorized_options *options, struct reason *why)
{
	int found = 0, err;

	if (v->list != NULL) {
		found = authorized_keys_find_indexed(v->list->index, cache_view_line, v, request,
		    options, why);
		if ((err = cache_view_again(v)) != 0) {
			authorized_options_free(options);
			return err;
		}
		if (v->list != NULL)
			return found;
		authorized_options_free(options);
	}
	return authorized_keys_find((const char *)v->text.data, v->text.len, request, options, why);
}

int
key_list_cache_find(const struct route *r, const struct authorized_request *request,
    struct authorized_options *options, struct reason *why, struct reason *unread)
{
	struct view v;
	int found;

	*options = (struct authorized_options){ 0 };
	why->text[0] = '\0';
	found = cache_view_open(&v, r, r->authorized_keys_file, KEY_INDEX_AUTHORIZED,
	    AUTHORIZED_KEYS_MAX, unread);
	if (found == 0 && (found = cache_view_find(&v, request, options, why)) < 0)
		reason_set(unread, "%.400s: %s", r->authorized_keys_file, err_str(found));
	cache_view_close(&v);
	return found;
}

int
key_list_cache_trust(const struct route *r, struct bytes key, struct reason *unread)
{
	struct view v;
	int found;

	found = cache_view_open(&v, r, r->trusted_user_ca_keys, KEY_INDEX_TRUSTED,
	    AUTHORIZED_KEYS_MAX, unread);
	if (found == 0)
		found = v.list != NULL ?
		    key_list_has_indexed(v.list->index, &key, 1, KEY_LIST_TRUSTED) :
		    key_list_has(buf_bytes(&v.text), &key, 1, KEY_LIST_TRUSTED);
	cache_view_close(&v);
	return found;
}

int
key_list_cache_revoke(const struct route *r, struct bytes blob, const struct cert *cert,
    struct reason *unread)
{
	struct view v;
	int found;

	unread->text[0] = '\0';
	found = cache_view_open(&v, r, r->revoked_keys, KEY_INDEX_REVOKED, REVOKED_MAX, unread);
	if (found == 0)
		found = v.list != NULL ? krl_check_indexed(v.list->index, blob, cert) :
					 krl_check(buf_bytes(&v.text), blob, cert);
	cache_view_close(&v);
	return found;
}
