/*
 * sallyport check: the lines of lists of keys and of known hosts; for check_files.c.
 */
#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/host_key.h"
#include "access/route_files.h"
#include "base/log.h"
#include "cli/check_lists.h"
#include "formats/authorized_keys.h"
#include "formats/key_list.h"
#include "formats/known_hosts.h"
#include "formats/pubkey.h"
#include "formats/text.h"
#include "wire/ssh.h"

#define KEY_MAX 65536 /* of a public key */
#define TEXT_MAX (16 * 1024 * 1024)
#define NOTES_MAX 5 /* of one file: a file of another format would have a note for each line */
/* Hashed names and patterns are searched line by line: bytes for which that takes a few
 * seconds. */
#define SEARCH_MAX (128 * 1024 * 1024)

/* A file of keys that has been read. */
struct check_lists_file {
	enum check_lists_kind kind;
	char *path;
	size_t keys;
};

static void
check_lists_file_free(void *v)
{
	struct check_lists_file *k = v;

	free(k->path);
	free(k);
}

static void
check_lists_forget_hosts(struct check_lists *f)
{
	tdestroy(f->hosts, free);
	f->hosts = NULL;
	f->indexed = 0;
	buf_free(&f->text);
	free(f->hosts_of);
	f->hosts_of = NULL;
}

void
check_lists_init(struct check_lists *f, struct conf_errors *notes)
{
	*f = (struct check_lists){ .notes = notes };
}

void
check_lists_free(struct check_lists *f)
{
	tdestroy(f->read, check_lists_file_free);
	check_lists_forget_hosts(f);
}

/* --- lines of keys --- */

static int
check_lists_begins(struct bytes s, const char *with)
{
	return s.len >= strlen(with) && memcmp(s.p, with, strlen(with)) == 0;
}

static int
check_lists_is_key(enum check_lists_kind kind, struct bytes line)
{
	struct buf key;
	int ok;

	if (kind == CHECK_LISTS_AUTHORIZED)
		return authorized_keys_line(line);
	buf_init(&key, KEY_MAX);
	ok = key_list_line(line, KEY_LIST_TRUSTED, &key) == 1;
	buf_free(&key);
	return ok;
}

/* The line itself is not shown: it may be a secret that was put there by mistake. */
static const char *
check_lists_why_no_key(enum check_lists_kind kind, struct bytes line)
{
	if (check_lists_begins(line, "\xef\xbb\xbf"))
		return "it begins with a byte order mark; save the file without one";
	if (pubkey_is_private(line.p, line.len))
		return "this is a private key, which opens nothing here; put its public half, "
		       "FILE.pub, in its place";
	if (check_lists_begins(line, "-----BEGIN ") || check_lists_begins(line, "---- BEGIN "))
		return "it is in another format; ssh-keygen -i -f FILE converts it";
	if (line.len > AUTHORIZED_LINE_MAX)
		return "it is too long";
	if (memmem(line.p, line.len, "AAAA", 4) != NULL)
		return "the key in it is cut off, damaged or of an unknown type; a key is all on "
		       "one line";
	return kind == CHECK_LISTS_AUTHORIZED ?
	    "write [OPTIONS] TYPE BASE64 [COMMENT] on one line" :
	    "write TYPE BASE64 [COMMENT] on one line";
}

static size_t
check_lists_count_text(struct check_lists *f, enum check_lists_kind kind, const char *path,
    struct bytes text)
{
	unsigned int number = 0, last = 0;
	size_t keys = 0, bad = 0;
	int private = 0, any_private = 0;
	struct bytes line;

	while (text_line(&text, &line)) {
		number++;
		text_skip_blanks(&line);
		if (line.len == 0 || line.p[0] == '#')
			continue;
		/* one note for all of its lines */
		if (private) {
			private = !check_lists_begins(line, "-----END ");
			continue;
		}
		private = pubkey_is_private(line.p, line.len);
		any_private |= private;
		if (check_lists_is_key(kind, line))
			keys++;
		else if (++bad > NOTES_MAX)
			last = number;
		else
			conf_error(f->notes, path, number, "is not a public key line: %s",
			    check_lists_why_no_key(kind, line));
	}
	if (bad > NOTES_MAX)
		conf_error(f->notes, path, last,
		    "is not a public key line; lines like it that are not shown: %zu",
		    bad - NOTES_MAX - 1);
	return keys == 0 && any_private ? SIZE_MAX : keys;
}

static size_t
check_lists_count_file(struct check_lists *f, enum check_lists_kind kind, const struct route *r,
    const char *path)
{
	size_t keys = SIZE_MAX;
	struct reason unread;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	if (route_file_read(r, path, &text, &unread) == 0)
		keys = check_lists_count_text(f, kind, path, buf_bytes(&text));
	buf_free(&text);
	return keys;
}

static int
check_lists_file_compare(const void *a, const void *b)
{
	const struct check_lists_file *x = a, *y = b;

	return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->path, y->path);
}

size_t
check_lists_count(struct check_lists *f, enum check_lists_kind kind, const struct route *r,
    const char *path)
{
	struct check_lists_file *k, **found;

	/* a file of one directory is no other route's: a big tree is not remembered */
	if (route_in_tree(r, path) != NULL)
		return check_lists_count_file(f, kind, r, path);
	k = calloc(1, sizeof(*k));
	if (k == NULL || (k->path = strdup(path)) == NULL)
		fatal("out of memory");
	k->kind = kind;
	found = tsearch(k, &f->read, check_lists_file_compare);
	if (found == NULL)
		fatal("out of memory");
	if (*found != k) {
		check_lists_file_free(k);
		return (*found)->keys;
	}
	k->keys = check_lists_count_file(f, kind, r, path);
	return k->keys;
}

void
check_lists_value(struct check_lists *f, const struct conf_entry *e)
{
	const struct bytes line = { (const uint8_t *)e->value, strlen(e->value) };

	if (!check_lists_is_key(CHECK_LISTS_AUTHORIZED, line))
		conf_error(f->notes, e->file, e->line,
		    "AuthorizedKey: is not a public key line: %s",
		    check_lists_why_no_key(CHECK_LISTS_AUTHORIZED, line));
}

/* --- known hosts --- */

static int
check_lists_name_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Keep the name of one host, neither a pattern nor hashed. */
static void
check_lists_add_host(struct check_lists *f, const uint8_t *p, size_t len)
{
	char *name = strndup((const char *)p, len);
	void *found;

	if (name == NULL)
		fatal("out of memory");
	text_lower(name);
	found = tsearch(name, &f->hosts, check_lists_name_compare);
	if (found == NULL)
		fatal("out of memory");
	if (*(char **)found != name)
		free(name);
}

/* Index the lines with a sound key and no patterns or hashed names. */
static void
check_lists_index_hosts(struct check_lists *f)
{
	struct bytes text = buf_bytes(&f->text), line, names;
	const uint8_t *end;
	size_t n;

	f->indexed = 1;
	while (text_line(&text, &line)) {
		text_skip_blanks(&line);
		if (line.len == 0 || line.len > KNOWN_HOSTS_LINE_MAX || line.p[0] == '#' ||
		    line.p[0] == '@')
			continue;
		names = text_word(&line);
		if (memchr(names.p, '|', names.len) != NULL ||
		    memchr(names.p, '*', names.len) != NULL ||
		    memchr(names.p, '?', names.len) != NULL ||
		    memchr(names.p, '!', names.len) != NULL ||
		    !check_lists_is_key(CHECK_LISTS_PLAIN, line))
			continue;
		for (; names.len > 0; names.p += n, names.len -= n) {
			end = memchr(names.p, ',', names.len);
			n = end == NULL ? names.len : (size_t)(end - names.p);
			check_lists_add_host(f, names.p, n);
			n += end != NULL;
		}
	}
}

int
check_lists_read_hosts(struct check_lists *f, const struct route *r, struct reason *why)
{
	struct buf paths;
	size_t i;

	buf_init(&paths, TEXT_MAX);
	for (i = 0; i < r->known_hosts_files.n; i++)
		buf_putf(&paths, "%s\n", r->known_hosts_files.v[i]);
	if (buf_cstr(&paths) == NULL)
		fatal("out of memory");
	if (f->hosts_of == NULL || strcmp(f->hosts_of, (const char *)paths.data) != 0) {
		check_lists_forget_hosts(f);
		buf_init(&f->text, KNOWN_HOSTS_MAX);
		f->text_err = host_key_read_known(r, &f->text, &f->text_why);
		f->hosts_of = strdup((const char *)paths.data);
		if (f->hosts_of == NULL)
			fatal("out of memory");
	}
	buf_free(&paths);
	if (f->text_err != 0)
		*why = f->text_why;
	return f->text_err;
}

static int
check_lists_host_known(struct check_lists *f, const char *host, uint16_t port,
    const struct conf_entry *e)
{
	char *name;
	int known;

	if (asprintf(&name, port == SSH_PORT ? "%s" : "[%s]:%u", host, port) == -1)
		fatal("out of memory");
	text_lower(name);
	known = tfind(name, &f->hosts, check_lists_name_compare) != NULL;
	free(name);
	if (known || f->searched > SEARCH_MAX)
		return 1;
	f->searched += f->text.len;
	if (f->searched > SEARCH_MAX)
		conf_error(f->notes, e->file, e->line,
		    "UserKnownHostsFile: from here on, upstreams are not looked up among hashed "
		    "names and patterns, which would take too long");
	return known_hosts_has((const char *)f->text.data, f->text.len, host, port);
}

const char *
check_lists_unknown_host(struct check_lists *f, const struct route *r, int by_login,
    const struct conf_entry *e)
{
	struct reason unread;
	size_t i;

	if (check_lists_read_hosts(f, r, &unread) != 0)
		return NULL;
	if (!f->indexed)
		check_lists_index_hosts(f);
	for (i = 0; i < r->hosts.n; i++) {
		if (by_login && strchr(r->hosts.v[i], '%') != NULL)
			continue;
		if (!check_lists_host_known(f, r->hosts.v[i], r->port, e))
			return r->hosts.v[i];
	}
	return NULL;
}
