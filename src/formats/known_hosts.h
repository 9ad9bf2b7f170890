/*
 * SSH_KNOWN_HOSTS FILE FORMAT of sshd(8).
 */
#ifndef FORMATS_KNOWN_HOSTS_H
#define FORMATS_KNOWN_HOSTS_H

#include <stdint.h>

#include "formats/cert.h"

enum known_hosts_result {
	KNOWN_HOST_OK,
	KNOWN_HOST_NEW,	    /* no line for this host */
	KNOWN_HOST_CHANGED, /* lines for this host, none with this key */
	KNOWN_HOST_REVOKED,
};

#define KNOWN_HOSTS_LINE_MAX 16384

/*
 * Look a host up in the text of one or several files (concatenated, a newline at
 * the end of each).  host is a name or address as in HostName; the port counts as
 * in ssh(1): "[host]:port" unless it is 22; where no line has that form, a line
 * for the plain name with this very key will do.  @revoked counts under either
 * name.  Plain names, patterns with * ? !, hashed names (|1|) and @revoked are
 * understood, in any case of letters; @cert-authority lines do not count for
 * plain keys (known_hosts_authority() is for those); lines that do not parse or are longer than KNOWN_HOSTS_LINE_MAX are
 * passed over.
 */
enum known_hosts_result known_hosts_check(const char *text, size_t len, const char *host,
    uint16_t port, struct bytes blob);

/*
 * The same for the certificate of a host: KNOWN_HOST_OK if a @cert-authority line for the
 * host has its CA, KNOWN_HOST_REVOKED if a @revoked one has the CA or the certified key,
 * else KNOWN_HOST_NEW: then the certified key counts for itself.  What the certificate says
 * and whether the CA has signed it is not looked at.
 */
enum known_hosts_result known_hosts_authority(const char *text, size_t len, const char *host,
    uint16_t port, const struct cert *cert);

/* 1 if a line for the host has a key, its own or an authority's, that is not there to revoke it. */
int known_hosts_has(const char *text, size_t len, const char *host, uint16_t port);

/* 1 if there is an authority for the host: a @cert-authority line with a key. */
int known_hosts_has_authority(const char *text, size_t len, const char *host, uint16_t port);

/*
 * For who explains: the number of the first line of a file that has this key for the host, or,
 * with authority, that has it as its @cert-authority.  0: there is none.
 */
size_t known_hosts_place(const char *text, size_t len, const char *host, uint16_t port,
    int authority, struct bytes blob);

/*
 * The host key algorithms to ask for, comma-separated: those of the keys known
 * for this host first (RSA as rsa-sha2-512,rsa-sha2-256,ssh-rsa; those of all certificates, if there
 * is an authority for it), and, unless only_known, then the other names of all in their order.  Only names of all are given, each
 * once.  Appends nothing if only_known and none is known.
 */
void known_hosts_algorithms(const char *text, size_t len, const char *host, uint16_t port,
    const char *all, int only_known, struct buf *out);

/*
 * Append the lines for the host, one after the other: to look it up in them gives what it
 * gives in the text.
 */
void known_hosts_lines(const char *text, size_t len, const char *host, uint16_t port,
    struct buf *out);

/* The line to add for a new host, '\n' included: plain name, "[host]:port" form
 * where needed.  A host that would not stay one name on one line is an error of
 * out, ERR_FORMAT. */
void known_hosts_line(const char *host, uint16_t port, struct bytes blob, struct buf *out);

#endif
