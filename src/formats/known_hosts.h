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
 * Look up a host's key in the text of one or more files, each ending in a newline.  host is a
 * name or address as in HostName.  As in ssh(1), lines for "[host]:port" count unless the port is
 * 22; if there are none, a line for the plain name with this same key is accepted.  @revoked
 * lines count under either name.  Plain names, patterns with * ? !, and hashed names (|1|) are
 * understood; letter case does not count. @cert-authority lines are for known_hosts_authority().
 * Lines that cannot be parsed, or are longer than KNOWN_HOSTS_LINE_MAX, are ignored.
 */
enum known_hosts_result known_hosts_check(const char *text, size_t len, const char *host,
    uint16_t port, struct bytes blob);

/*
 * The same for a host certificate: KNOWN_HOST_OK if a @cert-authority line for the host has its
 * CA; KNOWN_HOST_REVOKED if a @revoked line has the CA or the certified key; else KNOWN_HOST_NEW,
 * and the caller looks up the certified key as a plain key.  The certificate's content and
 * signature are not checked here.
 */
enum known_hosts_result known_hosts_authority(const char *text, size_t len, const char *host,
    uint16_t port, const struct cert *cert);

/* 1 if a line for the host has a key, its own or an authority's, and is not a @revoked line. */
int known_hosts_has(const char *text, size_t len, const char *host, uint16_t port);

/* 1 if there is a @cert-authority line with a key for the host. */
int known_hosts_has_authority(const char *text, size_t len, const char *host, uint16_t port);

/*
 * For messages: the number of the first line that has this key for the host, or, with authority,
 * has it in a @cert-authority line.  0: there is none.
 */
size_t known_hosts_place(const char *text, size_t len, const char *host, uint16_t port,
    int authority, struct bytes blob);

/*
 * Append the host key algorithms to propose to the host, comma-separated, all of them from the
 * list all: first those of the keys known for it (for RSA rsa-sha2-512,rsa-sha2-256,ssh-rsa; for
 * an authority those of all certificates); then, unless only_known, the others in the order of
 * all.
 */
void known_hosts_algorithms(const char *text, size_t len, const char *host, uint16_t port,
    const char *all, int only_known, struct buf *out);

/*
 * Append the lines for the host alone: a lookup of this host in them has the same result as in
 * the whole text.
 */
void known_hosts_lines(const char *text, size_t len, const char *host, uint16_t port,
    struct buf *out);

/* Append the line to add for a new host, with its '\n': with the plain name, or "[host]:port" if
 * the port is not 22.  A host that has blanks, commas or other characters with a meaning there
 * sets ERR_FORMAT in out. */
void known_hosts_line(const char *host, uint16_t port, struct bytes blob, struct buf *out);

#endif
