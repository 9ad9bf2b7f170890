/*
 * Recognising the first bytes of a connection (kind.h): which family of protocols they can be of, OpenVPN,
 * patterns of the configuration, and what the families share.  Called by edge.c.
 */
#include <string.h>

#include "edge/kind.h"
#include "edge/kind_private.h"
#include "formats/text.h"

/* The first packet of an OpenVPN client over TCP: its length in two bytes, and the byte of its opcode, with
 * the key number 0.  The lengths are those that OpenVPN's own port-share takes. */
#define OPENVPN_RESET_V2 (7 << 3)
#define OPENVPN_RESET_V3 (10 << 3) /* with a client key that the server wrapped, tls-crypt-v2 */

static int
kind_openvpn(const uint8_t *p, size_t n, struct kind *k)
{
	unsigned int len;

	if (p[0] > 4)
		return ERR_NOTFOUND;
	if (n == 1)
		return ERR_AGAIN;
	len = (unsigned int)p[0] << 8 | p[1];
	if (n == 2)
		return len >= 14 && len < 1024 + 255 ? ERR_AGAIN : ERR_NOTFOUND;
	if (!(p[2] == OPENVPN_RESET_V2 && len >= 14 && len <= 255) &&
	    !(p[2] == OPENVPN_RESET_V3 && len >= 336 && len < 1024 + 255))
		return ERR_NOTFOUND;
	k->kind = IPC_KIND_OPENVPN;
	return 0;
}

int
kind_begins(const uint8_t *p, size_t n, const char *text)
{
	const size_t len = strlen(text);

	if (memcmp(p, text, n < len ? n : len) != 0)
		return ERR_NOTFOUND;
	return n < len ? ERR_AGAIN : 0;
}

int
kind_set_host(struct kind *k, struct bytes name)
{
	/* brackets are for an IPv6 address */
	const int v6 = name.len >= 2 && name.p[0] == '[' && name.p[name.len - 1] == ']';

	if (v6)
		name = (struct bytes){ name.p + 1, name.len - 2 };
	/* "example.org." is the same host, and must not pass by a rule for it */
	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	memset(k->host, 0, sizeof(k->host));
	if (name.len == 0 || name.len >= sizeof(k->host) || name.p[name.len - 1] == '.' ||
	    memchr(name.p, '\0', name.len) != NULL)
		return 0;
	memcpy(k->host, name.p, name.len);
	text_lower(k->host);
	if (destination_host_ok(k->host) && (!v6 || strchr(k->host, ':') != NULL))
		return 1;
	memset(k->host, 0, sizeof(k->host));
	return 0;
}

/* 1 to 65535, or -1. */
static int
kind_port(const uint8_t *p, size_t len)
{
	int port = 0;
	size_t i;

	if (len == 0 || len > 5)
		return -1;
	for (i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		port = 10 * port + (p[i] - '0');
	}
	return port > 0 && port <= UINT16_MAX ? port : -1;
}

int
kind_set_authority(struct kind *k, struct bytes authority, int *port)
{
	const uint8_t *colon;
	size_t host_len;

	*port = -1;
	colon = memchr(authority.p, authority.len > 0 && authority.p[0] == '[' ? ']' : ':',
	    authority.len);
	if (colon != NULL && *colon == ']')
		colon++;
	host_len = colon == NULL ? authority.len : (size_t)(colon - authority.p);
	if (host_len < authority.len) {
		*port = kind_port(colon + 1, authority.len - host_len - 1);
		if (*colon != ':' || (*port == -1 && host_len + 1 < authority.len))
			host_len = 0;
	}
	return kind_set_host(k, (struct bytes){ authority.p, host_len });
}

int
kind_line(struct bytes *text, struct bytes *line)
{
	size_t i, len;

	for (i = 0; i < text->len && text->p[i] != '\n'; i++) {
		if (text->p[i] >= ' ' ? text->p[i] != 0x7f : text->p[i] == '\t')
			continue;
		/* only before the end of the line, which has to come to be seen */
		if (text->p[i] == '\r' && (i + 1 == text->len || text->p[i + 1] == '\n'))
			continue;
		return ERR_NOTFOUND;
	}
	if (i == text->len)
		return ERR_AGAIN;
	len = i > 0 && text->p[i - 1] == '\r' ? i - 1 : i;
	*line = (struct bytes){ text->p, len };
	*text = (struct bytes){ text->p + i + 1, text->len - i - 1 };
	return 0;
}

int
kind_header(struct bytes line, const char *name, struct bytes *value)
{
	const size_t len = strlen(name);
	size_t i;

	if (line.len <= len || line.p[len] != ':')
		return 0;
	for (i = 0; i < len; i++)
		if ((line.p[i] | 0x20) != (name[i] | 0x20))
			return 0;
	*value = (struct bytes){ line.p + len + 1, line.len - len - 1 };
	text_skip_blanks(value);
	while (value->len > 0 && text_is_blank(value->p[value->len - 1]))
		value->len--;
	return 1;
}

/* Which family it can be is clear from the first byte: only SSH begins like HTTP. */
static int
kind_by_family(const uint8_t *p, size_t n, struct kind *k)
{
	int r;

	if (n == 0)
		return ERR_AGAIN;
	switch (p[0]) {
	case 0x16:
		return kind_tls(p, n, k);
	case '<':
		return kind_xmpp(p, n, k);
	default:
		if (p[0] < 'A' || p[0] > 'Z')
			return kind_openvpn(p, n, k);
		r = kind_ssh(p, n, k);
		return r == ERR_NOTFOUND ? kind_http(p, n, k) : r;
	}
}

int
kind_of(const uint8_t *p, size_t n, enum kind_end end, struct kind *k)
{
	int r;

	memset(k, 0, sizeof(*k));
	if (n > KIND_MAX)
		n = KIND_MAX;
	r = kind_by_family(p, n, k);
	if (r == 0 || (r == ERR_AGAIN && end == KIND_OPEN && n < KIND_MAX))
		return r;
	memset(k, 0, sizeof(*k));
	/* a version string that does not end is a session's to refuse */
	if (r == ERR_AGAIN && kind_begins(p, n, "SSH-") == 0)
		k->kind = IPC_KIND_SSH;
	else if (r == ERR_AGAIN && end == KIND_CLOSED && n < KIND_MAX)
		k->kind = IPC_KIND_CLOSED;
	else
		k->kind = n == 0 ? IPC_KIND_SILENT : IPC_KIND_OTHER;
	return 0;
}

int
kind_pattern(const uint8_t *p, size_t n, enum kind_end end, const struct bytes *patterns,
    size_t n_patterns, uint32_t *index)
{
	size_t i, len, best = 0;
	int longer = 0;

	*index = IPC_NO_PATTERN;
	for (i = 0; i < n_patterns; i++) {
		len = patterns[i].len < n ? patterns[i].len : n;
		if (len > 0 && memcmp(p, patterns[i].p, len) != 0)
			continue;
		if (len < patterns[i].len)
			longer = 1;
		else if (len > best) {
			best = len;
			*index = (uint32_t)i;
		}
	}
	if (!longer || end != KIND_OPEN)
		return 0;
	*index = IPC_NO_PATTERN;
	return ERR_AGAIN;
}
