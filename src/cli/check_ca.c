/*
 * sallyport check: the CAs of routes (Key = ca:NAME and ca-agent:SOCKET), for check.c and check_route.c.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "access/login_certificate.h"
#include "access/route_files.h"
#include "cli/check.h"
#include "conf/tls.h"
#include "formats/cert_write.h"
#include "formats/pubkey.h"
#include "lookup/route_types.h"

#define AUTHORITY_MAX 16384 /* of its public key */
/* CAs whose other uses are looked for: a gateway has a few. */
#define AUTHORITIES_MAX 1000

/* --- one route --- */

/* A key of the gateway's that is the agent's, too. */
static void
check_authority_is(struct check *c, const struct conf_entry *e, struct bytes ca, const char *name,
    const char *what)
{
	struct reason unread;
	struct buf pub;

	buf_init(&pub, AUTHORITY_MAX);
	if (store_probe_public(&c->store, name, &pub, &unread) == 0 &&
	    bytes_equal(ca, buf_bytes(&pub)))
		conf_error(&c->notes, e->file, e->line,
		    "CertificateAuthority: this key is %s %s, too: a CA's key is for nothing else",
		    what, name);
	buf_free(&pub);
}

/* The socket, and CertificateAuthority. */
static void
check_authority_agent(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry key = check_place(s, "Key"), e = check_place(s, "CertificateAuthority");
	const char *path = route_ca_agent(r);
	struct reason why;
	struct stat st;
	struct buf pub;
	size_t i;

	/* the user that connects to it is another one than the keeper's */
	if (stat(path, &st) == -1 && errno != EACCES)
		conf_error(&c->notes, key.file, key.line, "Key: %s: %s%s", path, strerror(errno),
		    errno == ENOENT ? "; is the agent running?" : "");
	else if (errno != EACCES && !S_ISSOCK(st.st_mode))
		conf_error(&c->notes, key.file, key.line, "Key: %s: is not a socket", path);
	if (check_depends(s) && strchr(route_ca(r), '%') != NULL)
		return;
	buf_init(&pub, AUTHORITY_MAX);
	if (route_authority(r, &pub, &why) != 0) {
		conf_error(&c->notes, e.file, e.line, "CertificateAuthority: %s", why.text);
		goto out;
	}
	for (i = 0; i < c->conf->gateway.host_keys.n; i++)
		check_authority_is(c, &e, buf_bytes(&pub), c->conf->gateway.host_keys.v[i],
		    "HostKey");
	for (i = 0; i < c->conf->n_tls; i++)
		if (c->conf->tls[i].key != NULL)
			check_authority_is(c, &e, buf_bytes(&pub), c->conf->tls[i].key,
			    "the key of a [tls] section,");
out:
	buf_free(&pub);
}

/* The key of Key = ca:NAME. */
static void
check_authority_stored(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "Key");
	const char *name = route_ca(r);
	char type[64] = "";
	struct reason why;
	struct buf pub;

	if (check_depends(s) && strchr(name, '%') != NULL)
		return;
	check_mapped_key(c, s, name);
	buf_init(&pub, AUTHORITY_MAX);
	if (store_probe_public(&c->store, name, &pub, &why) == 0 &&
	    pubkey_type(buf_bytes(&pub), type) == 0 && cert_ca_algorithm(type) == NULL)
		conf_error(&c->notes, e.file, e.line,
		    "Key: %s is of the type %s, which cannot sign certificates; make another: "
		    "sallyport key generate NAME",
		    name, type);
	buf_free(&pub);
}

void
check_authority(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "Key");
	char rest[LOGIN_CERTIFICATE_REST_SIZE];

	if (route_ca_agent(r) != NULL)
		check_authority_agent(c, s, r);
	else
		check_authority_stored(c, s, r);
	login_certificate_rest(r, rest);
	if (rest[0] != '\0')
		conf_error(&c->remarks, e.file, e.line,
		    "Key: no certificate can say what the route says with %s: the session alone "
		    "keeps to it, not the machine",
		    rest);
}

/* --- all routes --- */

/* Add the names of CAs in the store that do not depend on the login. */
static int
check_authorities_find(const struct conf *conf, struct strlist *names)
{
	const struct conf_entry *e;
	const char *name;
	size_t i;
	int r = 0;

	for (i = 0; i < conf->n_routes && names->n < AUTHORITIES_MAX && r == 0; i++) {
		e = conf_entry_find(&conf->routes[i], "Key");
		name = e != NULL ? route_ca_of_key(e->value) : NULL;
		if (name != NULL && strchr(name, '%') == NULL && !strlist_has(names, name))
			r = strlist_add(names, name, strlen(name));
	}
	return r;
}

void
check_authorities(struct check *c)
{
	struct strlist names = { 0 };
	const struct conf_entry *e;
	size_t i;

	/* route_new() refuses the gateway's own HostKey, and check_tls_key() looks at [tls] sections */
	if (check_authorities_find(c->conf, &names) == 0)
		for (i = 0; i < c->conf->n_routes && names.n > 0; i++) {
			e = conf_entry_find(&c->conf->routes[i], "Key");
			if (e != NULL && strlist_has(&names, e->value))
				conf_error(&c->notes, e->file, e->line,
				    "Key: %s is a CA's key, too (Key = ca:%s): what it signs for a login "
				    "here must not count as a certificate; make another: sallyport key "
				    "generate NAME",
				    e->value, e->value);
		}
	strlist_free(&names);
}
