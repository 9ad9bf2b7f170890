/*
 * sallyport check: the files that a route names, opened and judged as the keeper does at a login; for
 * check.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "formats/pubkey.h"
#include "formats/krl.h"
#include "base/buf.h"
#include "base/access_hint.h"
#include "base/fd.h"
#include "base/fd.h"
#include "cli/check.h"
#include "access/user_key.h"
#include "access/route_files.h"
#include "lookup/wildcard.h"

#define KEYS_FILE_MAX (16 * 1024 * 1024)

struct conf_entry
check_place(const struct conf_section *s, const char *key)
{
	const struct conf_entry *e = conf_entry_find(s, key);

	return e != NULL ? *e : (struct conf_entry){ .file = s->file, .line = s->line };
}

/* Why a file can't be opened, for errno; the rest is added unless it is closed to us. */
static void
check_cannot_open(const struct check *c, const struct conf_entry *e, const char *key,
    const char *path, int mode, const char *remedy)
{
	struct reason why;

	reason_set(&why, "%s%s", strerror(errno), errno == ENOENT ? remedy : "");
	if (errno == EACCES)
		(void)access_hint(path, mode, &why);
	conf_error(c->errors, e->file, e->line, "%s: %s: %s", key, path, why.text);
}

/* A descriptor on a file that decides who is trusted, as the keeper opens it; -1: said why it
 * can't.  Without a remedy one that is not there is no error. */
static int
check_trusted_open(struct check *c, const struct route *r, const struct conf_entry *e,
    const char *key, const char *path, size_t max, const char *remedy)
{
	struct reason why;
	struct stat st;
	int fd, err;

	err = route_file_open(r, path, &fd, &why);
	if (err == ERR_NOTFOUND && remedy == NULL)
		return -1;
	if (err == ERR_NOTFOUND || err == ERR_SYS || (err == 0 && fstat(fd, &st) == -1))
		check_cannot_open(c, e, key, path, R_OK, remedy);
	else if (err != 0)
		conf_error(c->errors, e->file, e->line, "%s: %s", key, why.text);
	else if (st.st_size > (off_t)max)
		conf_error(c->errors, e->file, e->line, "%s: %s is larger than %zu MiB", key, path,
		    max >> 20);
	else
		return fd;
	fd_close(&fd);
	return -1;
}

void
check_authorized_keys(struct check *c, const struct conf_section *s, const struct route *r)
{
	const char *path = r->authorized_keys_file;
	struct conf_entry e = check_place(s, "AuthorizedKeysFile");
	int fd;

	fd = check_trusted_open(c, r, &e, "AuthorizedKeysFile", path, AUTHORIZED_KEYS_MAX,
	    "; put the public keys of who may log in there");
	if (fd == -1)
		return;
	if (key_files_count(&c->files, KEY_FILES_AUTHORIZED, path, fd) == 0)
		conf_error(&c->notes, e.file, e.line,
		    "AuthorizedKeysFile: there is no public key in %s: nobody can log in", path);
	fd_close(&fd);
}

void
check_trusted_cas(struct check *c, const struct conf_section *s, const struct route *r)
{
	const char *path = r->trusted_user_ca_keys;
	struct conf_entry e = check_place(s, "TrustedUserCAKeys");
	int fd = check_trusted_open(c, r, &e, "TrustedUserCAKeys", path, AUTHORIZED_KEYS_MAX,
	    "; put the public keys of the authorities there");

	if (fd != -1 && key_files_count(&c->files, KEY_FILES_PLAIN, path, fd) == 0)
		conf_error(&c->notes, e.file, e.line,
		    "TrustedUserCAKeys: there is no public key in %s: no certificate is accepted",
		    path);
	fd_close(&fd);
}

void
check_inline_keys(struct check *c, const struct conf_section *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcasecmp(s->entries[i].key, "AuthorizedKey") == 0)
			key_files_value(&c->files, &s->entries[i]);
}

/* RevokedKeys that are not understood refuse every key. */
void
check_revoked(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "RevokedKeys");
	struct buf list;
	int fd;

	fd = check_trusted_open(c, r, &e, "RevokedKeys", r->revoked_keys, REVOKED_MAX,
	    "; no key is accepted without it");
	if (fd == -1)
		return;
	buf_init(&list, KEYS_FILE_MAX);
	if (fd_read_all(fd, &list) != 0 ||
	    krl_check((struct bytes){ list.data, list.len },
		(struct bytes){ (const uint8_t *)"", 0 }, NULL) < 0)
		conf_error(c->errors, e.file, e.line,
		    "RevokedKeys: %s is neither a list of public keys nor what ssh-keygen -k makes: "
		    "no key is accepted",
		    r->revoked_keys);
	buf_free(&list);
	fd_close(&fd);
}

/* Does the certificate go with the key? */
void
check_certificate(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "CertificateFile");
	struct reason why;
	struct buf text, key, certificate;
	char *path;
	int fd, err;

	if (c->conf->keystore.path == NULL ||
	    asprintf(&path, "%s/%s.pub", c->conf->keystore.path, r->key) == -1)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	buf_init(&text, KEYS_FILE_MAX);
	buf_init(&key, KEYS_FILE_MAX);
	buf_init(&certificate, KEYS_FILE_MAX);
	/* a key that is not there has its error already */
	if (fd != -1 && fd_read_all(fd, &text) == 0 &&
	    pubkey_parse((const char *)text.data, text.len, &key) == 0) {
		err = route_certificate(r, (struct bytes){ key.data, key.len }, time(NULL),
		    &certificate, &why);
		if (err != 0)
			conf_error(err == ERR_TIMEOUT ? &c->notes : c->errors, e.file, e.line,
			    "CertificateFile: %s", why.text);
	}
	buf_free(&certificate);
	buf_free(&key);
	buf_free(&text);
	fd_close(&fd);
	free(path);
}

/* Machines that every connection to is refused. */
static void
check_unknown_hosts(struct check *c, const struct conf_section *s, const struct route *r,
    const struct conf_entry *e)
{
	const char *host;

	if (r->strict != ROUTE_STRICT_YES || r->host_key_fingerprints.n > 0)
		return;
	host = key_files_unknown_host(&c->files, r, wildcard_stars(s->name) > 0, e);
	if (host != NULL && r->known_hosts_files.n > 0)
		conf_error(&c->notes, e->file, e->line,
		    "UserKnownHostsFile: no line of %s is for %s port %u: connections to it will "
		    "be refused; add what ssh-keyscan -p %u %s prints, when you have made sure "
		    "that it is that machine's key",
		    r->known_hosts_files.v[r->known_hosts_files.n - 1], host, r->port, r->port,
		    host);
}

void
check_known_hosts(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "UserKnownHostsFile");
	struct reason why;
	char remedy[600];
	size_t before = c->errors->n, i;
	int fd, learns;

	snprintf(remedy, sizeof(remedy), "; ssh-keyscan -p %u %.255s prints what goes in there",
	    r->port, r->hosts.v[0]);
	for (i = 0; i < r->known_hosts_files.n; i++) {
		fd = check_trusted_open(c, r, &e, "UserKnownHostsFile", r->known_hosts_files.v[i],
		    KEYS_FILE_MAX, r->strict != ROUTE_STRICT_YES ? NULL : remedy);
		fd_close(&fd);
	}
	if (c->errors->n != before)
		return;
	check_unknown_hosts(c, s, r, &e);
	if (!as_user_other(&c->become))
		return;
	learns = as_user_accept_new(r, &why);
	if (learns != 0)
		conf_error(learns < 0 ? c->errors : &c->notes, e.file, e.line,
		    "UserKnownHostsFile: %s", why.text);
}
