/*
 * Searching the text of known_hosts files, line by line.  Called by access/host_key.c and
 * host_key_add.c.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/strlist.h"
#include "wire/ssh.h"
#include "formats/hmac_sha1.h"
#include "formats/known_hosts.h"
#include "base/match.h"
#include "formats/pubkey.h"
#include "formats/text.h"

/* The names under which a host may be in the file, in lower case. */
struct host {
	char plain[1040];
	char port[1060]; /* "[host]:port"; the same as plain for port 22 */
	int has_port;	 /* the two differ */
};

enum marker {
	MARKER_NONE,
	MARKER_CA,
	MARKER_REVOKED,
};

struct line {
	enum marker marker;
	struct bytes names;
	struct bytes key; /* "TYPE BASE64 comment" */
};

static int
known_hosts_host_init(struct host *h, const char *host, uint16_t port)
{
	size_t len = strlen(host);

	if (len == 0 || len >= sizeof(h->plain))
		return ERR_TOOBIG;
	memcpy(h->plain, host, len + 1);
	text_lower(h->plain);
	h->has_port = port != SSH_PORT;
	if (h->has_port)
		snprintf(h->port, sizeof(h->port), "[%s]:%u", h->plain, port);
	else
		memcpy(h->port, h->plain, len + 1);
	return 0;
}

/* Take the next line that has a key on it; 0 at the end of the text. */
static int
known_hosts_next_entry(struct bytes *text, struct line *line)
{
	struct bytes s, word;

	while (text_line(text, &s)) {
		text_skip_blanks(&s);
		if (s.len == 0 || s.len > KNOWN_HOSTS_LINE_MAX || s.p[0] == '#')
			continue;
		line->marker = MARKER_NONE;
		word = text_word(&s);
		if (word.p[0] == '@') {
			if (bytes_is(word, "@cert-authority"))
				line->marker = MARKER_CA;
			else if (bytes_is(word, "@revoked"))
				line->marker = MARKER_REVOKED;
			else
				continue;
			word = text_word(&s);
		}
		line->names = word;
		line->key = s;
		if (word.len > 0 && s.len > 0)
			return 1;
	}
	return 0;
}

static int
base64(struct bytes text, uint8_t *out, size_t size, size_t *len)
{
	return sodium_base642bin(out, size, (const char *)text.p, text.len, NULL, len, NULL,
	    sodium_base64_VARIANT_ORIGINAL);
}

/* A hashed name: |1|salt|HMAC-SHA1 of the name with the salt as its key|, both in base64. */
struct hashed_name {
	uint8_t salt[256], mac[HMAC_SHA1_SIZE];
	size_t salt_len;
};

static int
known_hosts_is_hashed(struct bytes names)
{
	return names.len > 3 && memcmp(names.p, "|1|", 3) == 0;
}

/* 1 if the name matches, 0 if not or if it is malformed. */
static int
known_hosts_hashed_parse(struct bytes names, struct hashed_name *h)
{
	size_t mac_len;
	struct bytes left = { names.p + 3, names.len - 3 }, right;
	const uint8_t *bar = memchr(left.p, '|', left.len);

	if (bar == NULL)
		return 0;
	right = (struct bytes){ bar + 1, left.len - (size_t)(bar - left.p) - 1 };
	left.len = (size_t)(bar - left.p);
	return base64(left, h->salt, sizeof(h->salt), &h->salt_len) == 0 && h->salt_len > 0 &&
	    base64(right, h->mac, sizeof(h->mac), &mac_len) == 0 && mac_len == sizeof(h->mac);
}

static int
known_hosts_plain_match(struct bytes names, const char *name)
{
	return match_list((struct bytes){ (const uint8_t *)name, strlen(name) }, names) == 1;
}

/* Parse the key of a line into blob, which is emptied first. */
static int
known_hosts_line_key(const struct line *line, struct buf *blob)
{
	buf_reset(blob);
	return pubkey_parse((const char *)line->key.p, line->key.len, blob);
}

/* An iteration over the lines for a host. */
struct look {
	struct bytes rest;
	struct host host;
	struct line line;
	struct buf key;		/* of the current line */
	int with_port, plain;	/* under which name the line is for the host */
	struct hmac_sha1 *hmac; /* NULL until the first hashed name */
	int nomem;		/* out of memory: a line for the host may have been missed */
};

static int
known_hosts_search_init(struct look *l, const char *text, size_t len, const char *host,
    uint16_t port)
{
	*l = (struct look){ .rest = { (const uint8_t *)text, len } };
	buf_init(&l->key, KNOWN_HOSTS_LINE_MAX);
	return known_hosts_host_init(&l->host, host, port);
}

static void
known_hosts_search_free(struct look *l)
{
	buf_free(&l->key);
	hmac_sha1_free(&l->hmac);
}

static int
known_hosts_search_hashed_match(struct look *l, const struct hashed_name *h, const char *name)
{
	uint8_t mac[HMAC_SHA1_SIZE];

	if (!hmac_sha1(l->hmac, h->salt, h->salt_len, name, strlen(name), mac)) {
		l->nomem = 1;
		return 0;
	}
	return memcmp(mac, h->mac, sizeof(mac)) == 0;
}

/* Set under which of the host's names the line is for it. */
static void
known_hosts_search_match(struct look *l)
{
	const struct bytes names = l->line.names;
	struct hashed_name hashed;

	l->with_port = l->plain = 0;
	if (!known_hosts_is_hashed(names)) {
		l->with_port = known_hosts_plain_match(names, l->host.port);
		l->plain = l->host.has_port && known_hosts_plain_match(names, l->host.plain);
	} else if (known_hosts_hashed_parse(names, &hashed)) {
		if (l->hmac == NULL && (l->hmac = hmac_sha1_new()) == NULL) {
			l->nomem = 1;
			return;
		}
		l->with_port = known_hosts_search_hashed_match(l, &hashed, l->host.port);
		l->plain = l->host.has_port &&
		    known_hosts_search_hashed_match(l, &hashed, l->host.plain);
	}
}

/* The next line for the host; 0 at the end. */
static int
known_hosts_search_next_line(struct look *l)
{
	while (known_hosts_next_entry(&l->rest, &l->line)) {
		known_hosts_search_match(l);
		if (l->with_port || l->plain)
			return 1;
	}
	return 0;
}

/* The next line for the host that has a key. */
static int
known_hosts_search_next(struct look *l)
{
	while (known_hosts_search_next_line(l)) {
		if (known_hosts_line_key(&l->line, &l->key) == 0)
			return 1;
		l->nomem |= buf_err(&l->key) == ERR_NOMEM;
	}
	return 0;
}

static int
known_hosts_search_has(const struct look *l, struct bytes blob)
{
	return bytes_equal(buf_bytes(&l->key), blob);
}

enum known_hosts_result
known_hosts_check(const char *text, size_t len, const char *host, uint16_t port, struct bytes blob)
{
	int equal = 0, other = 0, plain_equal = 0, revoked = 0, same;
	struct look l;

	if (known_hosts_search_init(&l, text, len, host, port) != 0)
		return KNOWN_HOST_NEW;
	while (!revoked && known_hosts_search_next(&l)) {
		same = known_hosts_search_has(&l, blob);
		switch (l.line.marker) {
		case MARKER_CA:
			break;
		case MARKER_REVOKED:
			revoked |= same;
			break;
		case MARKER_NONE:
			equal |= l.with_port && same;
			other |= l.with_port && !same;
			plain_equal |= l.plain && same;
			break;
		}
	}
	known_hosts_search_free(&l);
	if (revoked)
		return KNOWN_HOST_REVOKED;
	if (l.nomem) /* a missed line could be a @revoked one */
		return KNOWN_HOST_CHANGED;
	if (equal)
		return KNOWN_HOST_OK;
	if (other)
		return KNOWN_HOST_CHANGED;
	return plain_equal ? KNOWN_HOST_OK : KNOWN_HOST_NEW;
}

enum known_hosts_result
known_hosts_authority(const char *text, size_t len, const char *host, uint16_t port,
    const struct cert *cert)
{
	int trusted = 0, revoked = 0;
	struct buf certified;
	struct look l;

	if (known_hosts_search_init(&l, text, len, host, port) != 0)
		return KNOWN_HOST_NEW;
	buf_init(&certified, KNOWN_HOSTS_LINE_MAX);
	wire_put_text(&certified, cert->key_type);
	buf_put(&certified, cert->numbers.p, cert->numbers.len);
	while (!revoked && known_hosts_search_next(&l)) {
		if (l.line.marker == MARKER_CA)
			trusted |= known_hosts_search_has(&l, cert->ca);
		else if (l.line.marker == MARKER_REVOKED)
			revoked |= known_hosts_search_has(&l, cert->ca) ||
			    known_hosts_search_has(&l, buf_bytes(&certified));
	}
	/* a missed line could be a @revoked one */
	trusted &= !l.nomem && buf_err(&certified) == 0;
	buf_free(&certified);
	known_hosts_search_free(&l);
	if (revoked)
		return KNOWN_HOST_REVOKED;
	return trusted ? KNOWN_HOST_OK : KNOWN_HOST_NEW;
}

/* 1 if there is a line for the host with one of these markers. */
static int
known_hosts_has_line(const char *text, size_t len, const char *host, uint16_t port,
    enum marker this, enum marker that)
{
	struct look l;
	int found = 0;

	if (known_hosts_search_init(&l, text, len, host, port) != 0)
		return 0;
	while (!found && known_hosts_search_next(&l))
		found = l.line.marker == this || l.line.marker == that;
	known_hosts_search_free(&l);
	return found;
}

int
known_hosts_has(const char *text, size_t len, const char *host, uint16_t port)
{
	return known_hosts_has_line(text, len, host, port, MARKER_NONE, MARKER_CA);
}

int
known_hosts_has_authority(const char *text, size_t len, const char *host, uint16_t port)
{
	return known_hosts_has_line(text, len, host, port, MARKER_CA, MARKER_CA);
}

/* What the file has for a host: the types of its keys, and whether there is an authority. */
struct known {
	struct strlist types;
	int authority;
};

static int
known_hosts_add(struct strlist *types, const struct buf *key)
{
	char type[64];

	if (pubkey_type(buf_bytes(key), type) != 0 || strlist_has(types, type))
		return 0;
	return strlist_add(types, type, strlen(type));
}

/* If there are keys under the name with the port, only those count. */
static int
known_hosts_find(struct known *known, const char *text, size_t len, const char *host, uint16_t port)
{
	struct strlist plain = { 0 };
	struct look l;
	int ret = 0;

	if (known_hosts_search_init(&l, text, len, host, port) != 0)
		return 0;
	while (ret == 0 && known_hosts_search_next(&l)) {
		if (l.line.marker == MARKER_CA)
			known->authority = 1;
		else if (l.line.marker == MARKER_NONE)
			ret = known_hosts_add(l.with_port ? &known->types : &plain, &l.key);
	}
	if (ret == 0 && known->types.n == 0) {
		known->types = plain;
		plain = (struct strlist){ 0 };
	}
	strlist_free(&plain);
	known_hosts_search_free(&l);
	return ret;
}

static int
known_hosts_algorithm_known(const struct known *known, const char *alg)
{
	size_t i;

	if (known->authority && cert_is_algorithm(alg))
		return 1;
	if (strcmp(alg, "ssh-rsa") == 0) /* SHA-1, which a route has to ask for by name */
		return strlist_has(&known->types, alg);
	for (i = 0; i < known->types.n; i++)
		if (pubkey_algorithm_ok(known->types.v[i], alg))
			return 1;
	return 0;
}

/* Append the names of a name-list, each once. */
static int
known_hosts_names_split(const char *all, struct strlist *names)
{
	size_t i, n;

	for (; *all != '\0'; all += n + (all[n] == ',')) {
		n = strcspn(all, ",");
		for (i = 0; i < names->n; i++)
			if (strlen(names->v[i]) == n && memcmp(names->v[i], all, n) == 0)
				break;
		if (n > 0 && i == names->n && strlist_add(names, all, n) != 0)
			return ERR_NOMEM;
	}
	return 0;
}

/* Append the names that are for known keys, or the names that are not. */
static void
known_hosts_put_names(const struct strlist *names, const struct known *known, int is_known,
    int *first, struct buf *out)
{
	size_t i;

	for (i = 0; i < names->n; i++) {
		if (known_hosts_algorithm_known(known, names->v[i]) != is_known)
			continue;
		buf_putf(out, "%s%s", *first ? "" : ",", names->v[i]);
		*first = 0;
	}
}

void
known_hosts_algorithms(const char *text, size_t len, const char *host, uint16_t port,
    const char *all, int only_known, struct buf *out)
{
	struct known known = { 0 };
	struct strlist names = { 0 };
	int ret, first = 1;

	ret = known_hosts_names_split(all, &names);
	if (ret == 0)
		ret = known_hosts_find(&known, text, len, host, port);
	if (ret == 0) {
		known_hosts_put_names(&names, &known, 1, &first, out);
		if (!only_known)
			known_hosts_put_names(&names, &known, 0, &first, out);
	} else {
		out->err = ret;
	}
	strlist_free(&known.types);
	strlist_free(&names);
}

size_t
known_hosts_place(const char *text, size_t len, const char *host, uint16_t port, int authority,
    struct bytes blob)
{
	const enum marker marker = authority ? MARKER_CA : MARKER_NONE;
	const uint8_t *p = (const uint8_t *)text;
	size_t line = 0;
	struct look l;

	if (known_hosts_search_init(&l, text, len, host, port) != 0)
		return 0;
	while (line == 0 && known_hosts_search_next(&l))
		if (l.line.marker == marker && known_hosts_search_has(&l, blob))
			line = 1;
	for (; line > 0 && p < l.line.names.p; p++)
		line += *p == '\n';
	known_hosts_search_free(&l);
	return line;
}

void
known_hosts_lines(const char *text, size_t len, const char *host, uint16_t port, struct buf *out)
{
	static const char *const markers[] = {
		[MARKER_NONE] = "",
		[MARKER_CA] = "@cert-authority ",
		[MARKER_REVOKED] = "@revoked ",
	};
	struct look l;

	if (known_hosts_search_init(&l, text, len, host, port) != 0)
		return;
	while (known_hosts_search_next_line(&l)) {
		buf_putf(out, "%s", markers[l.line.marker]);
		buf_put(out, l.line.names.p,
		    (size_t)(l.line.key.p - l.line.names.p) + l.line.key.len);
		buf_put_u8(out, '\n');
	}
	if (l.nomem) /* a missed line could be a @revoked one */
		out->err = ERR_NOMEM;
	known_hosts_search_free(&l);
}

void
known_hosts_line(const char *host, uint16_t port, struct bytes blob, struct buf *out)
{
	struct host h;
	const char *p;

	if (known_hosts_host_init(&h, host, port) != 0 || pubkey_check(blob) != 0) {
		out->err = ERR_FORMAT;
		return;
	}
	/* no character that begins another name, a pattern, a comment, a marker or a line */
	for (p = h.plain; *p != '\0'; p++) {
		if (*p <= ' ' || *p == 0x7f || strchr(",*?!|#@[]\"\\", *p) != NULL) {
			out->err = ERR_FORMAT;
			return;
		}
	}
	buf_putf(out, "%s ", h.port);
	pubkey_format(blob, out);
	buf_put_u8(out, '\n');
}
