/*
 * AUTHORIZED_KEYS FILE FORMAT of sshd(8).
 */
#ifndef FORMATS_AUTHORIZED_KEYS_H
#define FORMATS_AUTHORIZED_KEYS_H

#include <time.h>

#include "base/reason.h"
#include "formats/address.h"
#include "formats/key_index.h"
#include "base/strlist.h"
#include "wire/wire.h"

enum authorized_flag {
	AUTHORIZED_PTY = 1 << 0,
	AUTHORIZED_PORT_FORWARDING = 1 << 1,
	AUTHORIZED_AGENT_FORWARDING = 1 << 2,
	AUTHORIZED_X11_FORWARDING = 1 << 3,
	AUTHORIZED_USER_RC = 1 << 4,
	AUTHORIZED_ALL = 31,
};

#define AUTHORIZED_LINE_MAX 65536

/* The unit of tunnel="any" in OpenSSH's tun@openssh.com, and the largest number of a unit. */
#define AUTHORIZED_TUNNEL_ANY 0x7fffffffU
#define AUTHORIZED_TUNNEL_MAX 0x7ffffffdU

/* The options of a line that matched. */
struct authorized_options {
	unsigned int permits;	      /* AUTHORIZED_*: ALL unless restrict or no-... */
	char *command;		      /* or NULL */
	struct strlist environment;   /* "NAME=value" */
	struct strlist permit_open;   /* "host:port", port may be "*" */
	struct strlist permit_listen; /* "host:port"; "*:port" where only a port is given */
	int has_tunnel;
	uint32_t tunnel; /* the unit of tunnel=, or AUTHORIZED_TUNNEL_ANY */
	int cert_authority;
	struct strlist principals; /* principals= of a cert-authority line */
	int has_principals;
	int no_touch_required;
	int verify_required;
	unsigned int line; /* of the file, for the log */
};

struct cert;

struct authorized_request {
	struct bytes blob;	 /* the key offered */
	const struct cert *cert; /* the same, parsed, if it is a certificate, else NULL; the caller
				  * checks its signature and validity */
	const char *login;	 /* a certificate must list it unless principals= is given */
	const char *address;	 /* numeric, of the client: for from= */
	time_t now;		 /* for expiry-time= */
};

/*
 * Look for the key in the text of a file (lines end in '\n'; '#' comments). 1: found, options
 * filled (free with authorized_options_free()). 0: no line allows it; why says so if one had the
 * key but its options did not hold ("line 3: expired", "line 3: from= does not match", "line 3:
 * unknown option foo": such a line never matches), else it is "". A line with cert-authority
 * matches certificates alone, and no other line does: the line's key must be the certificate's
 * CA, principals= (or the login) must be one of its principals, and its own options must hold.
 * What is permitted is what both the line and the certificate permit.  Lines longer than
 * AUTHORIZED_LINE_MAX never match.
 */
int authorized_keys_find(const char *text, size_t len, const struct authorized_request *request,
    struct authorized_options *options, struct reason *why);

/*
 * The same for a file with an index (KEY_INDEX_AUTHORIZED): read gives its lines.  The answer, the
 * options and why are those of authorized_keys_find(); or the ERR_* of read.
 */
int authorized_keys_find_indexed(const struct key_index *index, key_index_read *read, void *ctx,
    const struct authorized_request *request, struct authorized_options *options,
    struct reason *why) MUST_CHECK;

/* The key to search the lines for: the key that was offered, or the CA of the certificate. */
struct bytes authorized_keys_wanted(const struct authorized_request *request);

/* 1 if this line has a key, with or without options, which are not checked; the second function
 * also appends its blob to key. */
int authorized_keys_line(struct bytes line);
int authorized_keys_line_key(struct bytes line, struct buf *key);

void authorized_options_free(struct authorized_options *options);

#endif
