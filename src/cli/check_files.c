/*
 * sallyport check: the files that a route names, for check.c.  The functions that the keeper
 * calls at a login open and judge them (access/); this file words the notes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "access/host_key_add.h"
#include "access/route_files.h"
#include "access/user_key.h"
#include "base/access_hint.h"
#include "base/buf.h"
#include "base/fd.h"
#include "cli/check.h"
#include "lookup/login_pattern.h"

#define KEY_MAX 65536 /* of a public key or certificate */

struct conf_entry
check_place(const struct conf_section *s, const char *key)
{
	const struct conf_entry *e = conf_entry_find(s, key);

	return e != NULL ? *e : (struct conf_entry){ .file = s->file, .line = s->line };
}

/*
 * Report a file that the keeper would not use, with its ERR_* and its reason; for ERR_SYS with
 * errno.  The remedy is for a file that does not exist.
 */
static void
check_refused(struct check *c, const struct conf_entry *e, const char *key, const char *path,
    int err, const struct reason *refused, const char *remedy)
{
	struct reason why;

	if (err == ERR_NOTFOUND) {
		reason_set(&why, "%s%s", strerror(ENOENT), remedy);
	} else if (err == ERR_SYS) {
		reason_set(&why, "%s", strerror(errno));
		if (errno == EACCES)
			(void)access_hint(path, R_OK, &why);
	} else {
		conf_error(&c->notes, e->file, e->line, "%s: %s", key, refused->text);
		return;
	}
	conf_error(&c->notes, e->file, e->line, "%s: %s: %s", key, path, why.text);
}

/* 1 if the list can be used at a login; if not, the reason is reported. */
static int
check_list(struct check *c, const struct route *r, enum user_key_list list,
    const struct conf_entry *e, const char *key, const char *path, const char *remedy)
{
	const size_t max = list == USER_KEY_REVOKED ? REVOKED_MAX : AUTHORIZED_KEYS_MAX;
	struct reason why;
	int err;

	err = user_key_list_check(r, list, &why);
	if (err == ERR_TOOBIG)
		reason_set(&why, "%s is larger than %zu MiB", path, max >> 20);
	if (err != 0)
		check_refused(c, e, key, path, err, &why, remedy);
	return err == 0;
}

void
check_authorized_keys(struct check *c, const struct conf_section *s, const struct route *r)
{
	const char *path = r->authorized_keys_file;
	struct conf_entry e = check_place(s, "AuthorizedKeysFile");

	if (check_list(c, r, USER_KEY_AUTHORIZED, &e, "AuthorizedKeysFile", path,
		"; put the public keys that may log in there") &&
	    check_lists_count(&c->lists, CHECK_LISTS_AUTHORIZED, r, path) == 0)
		conf_error(&c->notes, e.file, e.line,
		    "AuthorizedKeysFile: there is no public key in %s: nobody can log in", path);
}

void
check_trusted_cas(struct check *c, const struct conf_section *s, const struct route *r)
{
	const char *path = r->trusted_user_ca_keys;
	struct conf_entry e = check_place(s, "TrustedUserCAKeys");

	if (check_list(c, r, USER_KEY_TRUSTED, &e, "TrustedUserCAKeys", path,
		"; put the public keys of the authorities there") &&
	    check_lists_count(&c->lists, CHECK_LISTS_PLAIN, r, path) == 0)
		conf_error(&c->notes, e.file, e.line,
		    "TrustedUserCAKeys: there is no public key in %s: no certificate is accepted",
		    path);
}

void
check_inline_keys(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = { .file = s->file };
	size_t i;

	for (i = 0; s->n == 0 && i < r->authorized_keys.n; i++) {
		e.value = r->authorized_keys.v[i];
		check_lists_value(&c->lists, &e);
	}

	for (i = 0; i < s->n; i++)
		if (strcasecmp(s->entries[i].key, "AuthorizedKey") == 0)
			check_lists_value(&c->lists, &s->entries[i]);
}

void
check_revoked(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "RevokedKeys");

	(void)check_list(c, r, USER_KEY_REVOKED, &e, "RevokedKeys", r->revoked_keys,
	    "; no key is accepted without it");
}

void
check_via_ca(struct check *c, const struct conf_section *s, const struct route *r)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	struct conf_entry e = check_place(s, "ConnectViaCA");
	struct reason why;
	struct buf text;
	int err;

	buf_init(&text, ROUTE_VIA_CA_MAX);
	err = route_file_read(r, r->connect_via_ca, &text, &why);
	if (err == ERR_TOOBIG)
		reason_set(&why, "%s is larger than %d KiB", r->connect_via_ca,
		    ROUTE_VIA_CA_MAX / 1024);
	if (err != 0)
		check_refused(c, &e, "ConnectViaCA", r->connect_via_ca, err, &why,
		    "; put the certificates of the proxy's authorities there");
	else if (memmem(text.data, text.len, begin, sizeof(begin) - 1) == NULL)
		conf_error(&c->notes, e.file, e.line,
		    "ConnectViaCA: there is no certificate in %s: PEM begins with %s",
		    r->connect_via_ca, begin);
	buf_free(&text);
}

void
check_banner(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "Banner");
	struct reason why;
	char *text;
	int err;

	err = route_banner(r, &text, &why);
	if (err != 0)
		check_refused(c, &e, "Banner", r->banner, err, &why, "; put the text there");
	free(text);
}

/* Does the certificate go with the key? */
void
check_certificate_file(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "CertificateFile");
	struct reason why, unread;
	struct buf key, certificate;
	int err;

	buf_init(&key, KEY_MAX);
	buf_init(&certificate, KEY_MAX);
	/* a key that cannot be read has its error already */
	if (store_probe_public(&c->store, r->key, &key, &unread) == 0) {
		err = route_certificate(r, buf_bytes(&key), time(NULL), &certificate, &why);
		if (err != 0)
			conf_error(&c->notes, e.file, e.line, "CertificateFile: %s", why.text);
	}
	buf_free(&certificate);
	buf_free(&key);
}

/* The mapped key of a directory, and its certificate. */
void
check_key_file(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct route_key key;
	struct reason why;
	struct buf certificate;
	int err;

	buf_init(&certificate, KEY_MAX);
	err = route_key_open(r, NULL, &key, &why);
	if (err == ERR_SYS && errno == EACCES) {
		(void)access_hint(r->key_file, R_OK, &why);
		conf_error(&c->notes, r->key_file, 0, "%s", why.text);
	} else if (err != 0) {
		conf_error(&c->notes, s->file, s->line, "%s", why.text);
	} else if (r->certificate_file != NULL &&
	    route_certificate(r, buf_bytes(&key.pub), time(NULL), &certificate, &why) != 0) {
		conf_error(&c->notes, s->file, s->line, "CertificateFile: %s", why.text);
	}
	route_key_close(&key);
	buf_free(&certificate);
}

/* Hosts to which every connection would be refused. */
static void
check_unknown_hosts(struct check *c, const struct conf_section *s, const struct route *r,
    const struct conf_entry *e)
{
	const char *host;

	if (r->strict != ROUTE_STRICT_YES || r->host_key_fingerprints.n > 0)
		return;
	host = check_lists_unknown_host(&c->lists, r, check_depends(s), e);
	if (host != NULL && r->known_hosts_files.n > 0)
		conf_error(&c->notes, e->file, e->line,
		    "UserKnownHostsFile: no line of %s is for %s port %u: connections to it "
		    "will be refused; add what ssh-keyscan -p %u %s prints, after making sure "
		    "that it is that host's key",
		    r->known_hosts_files.v[r->known_hosts_files.n - 1], host, r->port, r->port,
		    host);
}

/* The files themselves.  1 if the keeper can use them. */
static int
check_known_hosts_files(struct check *c, const struct route *r, const struct conf_entry *e)
{
	struct reason why;
	char remedy[600];
	int fd, err, good = 1;
	size_t i;

	snprintf(remedy, sizeof(remedy), "; ssh-keyscan -p %u %.255s prints its contents", r->port,
	    r->hosts.v[0]);
	for (i = 0; i < r->known_hosts_files.n; i++) {
		err = route_file_open(r, r->known_hosts_files.v[i], &fd, &why);
		fd_close(&fd);
		if (err == 0 || (err == ERR_NOTFOUND && r->strict != ROUTE_STRICT_YES))
			continue;
		check_refused(c, e, "UserKnownHostsFile", r->known_hosts_files.v[i], err, &why,
		    remedy);
		good = 0;
	}
	if (good && check_lists_read_hosts(&c->lists, r, &why) != 0) {
		conf_error(&c->notes, e->file, e->line, "UserKnownHostsFile: %s", why.text);
		good = 0;
	}
	return good;
}

void
check_known_hosts(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "UserKnownHostsFile");
	struct reason why;

	/* Mode = jump: the client checks the machine's host key */
	if (r->hosts.n == 0 || !check_known_hosts_files(c, r, &e))
		return;
	check_unknown_hosts(c, s, r, &e);
	/* only root can find out whether another user may write */
	if (!as_user_other(&c->as))
		return;
	if (host_key_add_check(r, &why) != 0)
		conf_error(&c->notes, e.file, e.line, "UserKnownHostsFile: %s", why.text);
}
