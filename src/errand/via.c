/*
 * Asking a proxy for a connection to a host (via.h).  Called by approach.c.
 */
#include <arpa/inet.h>
#include <sodium.h>
#include <string.h>

#include "errand/via.h"

#define SOCKS_VERSION 5
#define SOCKS_NO_LOGIN 0x00 /* methods */
#define SOCKS_LOGIN 0x02
#define SOCKS_IPV4 1 /* types of addresses */
#define SOCKS_NAME 3
#define SOCKS_IPV6 4

/* --- SOCKS 5 --- */

static int
via_socks_begin(struct via *via, struct buf *out, struct reason *why)
{
	if (strlen(via->host) > 255 || strlen(via->user) > 255 || via->password.len > 255) {
		reason_set(why, "SOCKS has no room for a name or password of more than 255 bytes");
		return ERR_FORMAT;
	}
	via->state = VIA_SOCKS_METHOD;
	buf_put_u8(out, SOCKS_VERSION);
	if (via->user[0] == '\0') {
		buf_put_u8(out, 1);
		buf_put_u8(out, SOCKS_NO_LOGIN);
	} else {
		buf_put_u8(out, 2);
		buf_put_u8(out, SOCKS_NO_LOGIN);
		buf_put_u8(out, SOCKS_LOGIN);
	}
	return 0;
}

static void
via_put_short(struct buf *out, const void *p, size_t len)
{
	buf_put_u8(out, (uint8_t)len);
	buf_put(out, p, len);
}

static enum via_verdict
via_socks_connect(struct via *via, struct buf *out)
{
	uint8_t address[16];

	via->state = VIA_SOCKS_CONNECT;
	buf_put(out, "\5\1", 3); /* CONNECT, and a byte that is 0 */
	if (inet_pton(AF_INET, via->host, address) == 1) {
		buf_put_u8(out, SOCKS_IPV4);
		buf_put(out, address, 4);
	} else if (inet_pton(AF_INET6, via->host, address) == 1) {
		buf_put_u8(out, SOCKS_IPV6);
		buf_put(out, address, 16);
	} else {
		buf_put_u8(out, SOCKS_NAME);
		via_put_short(out, via->host, strlen(via->host));
	}
	buf_put_u8(out, (uint8_t)(via->port >> 8));
	buf_put_u8(out, (uint8_t)via->port);
	return VIA_ASK;
}

static enum via_verdict
via_socks_method(struct via *via, const uint8_t *p, struct buf *out, struct reason *why)
{
	if (p[1] == SOCKS_NO_LOGIN)
		return via_socks_connect(via, out);
	if (p[1] == SOCKS_LOGIN && via->user[0] != '\0') {
		via->state = VIA_SOCKS_LOGIN;
		buf_put_u8(out, 1);
		via_put_short(out, via->user, strlen(via->user));
		via_put_short(out, via->password.p, via->password.len);
		return VIA_ASK;
	}
	if (via->user[0] == '\0')
		reason_set(why,
		    "wants a login: write user@ into ConnectVia, and ConnectViaPassword");
	else
		reason_set(why, "takes no user and password");
	return VIA_FAILED;
}

/* The answer to CONNECT, as far as it has come. */
static enum via_verdict
via_socks_connected(const uint8_t *p, size_t len, size_t *used, struct reason *why)
{
	static const char *const codes[] = { "", "general failure",
		"not allowed by the proxy's rules", "network unreachable", "host unreachable",
		"connection refused", "no answer in time", "command not supported",
		"type of address not supported" };
	size_t all;

	if (len >= 2 && p[1] != 0) {
		reason_set(why, "refuses: %s (SOCKS code %u)",
		    p[1] < sizeof(codes) / sizeof(codes[0]) ? codes[p[1]] : "unknown reason", p[1]);
		return VIA_FAILED;
	}
	if (len < 5)
		return VIA_MORE;
	switch (p[3]) {
	case SOCKS_IPV4:
		all = 4 + 4 + 2;
		break;
	case SOCKS_IPV6:
		all = 4 + 16 + 2;
		break;
	case SOCKS_NAME:
		all = 4 + 1 + (size_t)p[4] + 2;
		break;
	default:
		reason_set(why, "answers with an unknown type of address (%u)", p[3]);
		return VIA_FAILED;
	}
	if (len < all)
		return VIA_MORE;
	*used = all;
	return VIA_OPEN;
}

static enum via_verdict
via_socks_input(struct via *via, struct bytes in, size_t *used, struct buf *out, struct reason *why)
{
	/* the answer to a login has the version of that exchange */
	if (in.len >= 1 && in.p[0] != (via->state == VIA_SOCKS_LOGIN ? 1 : SOCKS_VERSION)) {
		reason_set(why, "does not speak SOCKS 5");
		return VIA_FAILED;
	}
	if (via->state == VIA_SOCKS_CONNECT)
		return via_socks_connected(in.p, in.len, used, why);
	if (in.len < 2)
		return VIA_MORE;
	*used = 2;
	if (via->state == VIA_SOCKS_METHOD)
		return via_socks_method(via, in.p, out, why);
	if (in.p[1] == 0)
		return via_socks_connect(via, out);
	reason_set(why, "refuses the user and password of ConnectVia and ConnectViaPassword");
	return VIA_FAILED;
}

/* --- HTTP --- */

/* "Basic" and the user and password in base64 (RFC 7617). */
static int
via_put_basic(const struct via *via, struct buf *out)
{
	struct buf plain;
	size_t len;
	uint8_t *p;

	buf_init(&plain, VIA_QUESTION_MAX / 2);
	buf_put(&plain, via->user, strlen(via->user));
	buf_put_u8(&plain, ':');
	buf_put(&plain, via->password.p, via->password.len);
	if (buf_err(&plain) == 0) {
		len = sodium_base64_encoded_len(plain.len, sodium_base64_VARIANT_ORIGINAL);
		buf_putf(out, "Proxy-Authorization: Basic ");
		p = buf_reserve(out, len);
		if (p != NULL) {
			sodium_bin2base64((char *)p, len, plain.data, plain.len,
			    sodium_base64_VARIANT_ORIGINAL);
			out->len += len - 1; /* without the NUL */
		}
		buf_put(out, "\r\n", 2);
	}
	len = plain.len;
	buf_wipe(&plain);
	return len > 0 ? 0 : ERR_NOMEM;
}

static int
via_http_begin(struct via *via, struct buf *out, struct reason *why)
{
	const int v6 = strchr(via->host, ':') != NULL;
	struct buf place;
	const char *text;
	int r = 0;

	via->state = VIA_HTTP;
	buf_init(&place, 512);
	buf_putf(&place, "%s%s%s:%u", v6 ? "[" : "", via->host, v6 ? "]" : "", via->port);
	text = buf_cstr(&place);
	if (text == NULL) {
		reason_set(why, "the name of the host is too long");
		r = ERR_FORMAT;
	} else {
		buf_putf(out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", text, text);
		if (via->user[0] != '\0')
			r = via_put_basic(via, out);
		buf_putf(out, "\r\n");
		if (r != 0)
			reason_set(why, "%s", err_str(r));
	}
	buf_free(&place);
	return r;
}

static enum via_verdict
via_http_refused(unsigned int code, const struct via *via, struct reason *why)
{
	static const struct {
		unsigned int code;
		const char *words;
	} known[] = { { 400, "bad request" }, { 403, "forbidden" }, { 404, "not found" },
		{ 405, "method not allowed" }, { 429, "too many requests" },
		{ 500, "internal server error" }, { 501, "not implemented" },
		{ 502, "bad gateway" }, { 503, "service unavailable" },
		{ 504, "gateway timeout" } };
	const char *words = "no connection";
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].code == code)
			words = known[i].words;
	/* 407; or 401, as tinyproxy says of a wrong password */
	if (code != 407 && code != 401)
		reason_set(why, "refuses: %s (HTTP code %u)", words, code);
	else if (via->user[0] == '\0')
		reason_set(why,
		    "wants a login (HTTP code %u): write user@ into ConnectVia, and "
		    "ConnectViaPassword",
		    code);
	else
		reason_set(why,
		    "refuses the user and password of ConnectVia and ConnectViaPassword (HTTP code "
		    "%u)",
		    code);
	return VIA_FAILED;
}

/* The end of the header: the byte behind the first empty line; or 0. */
static size_t
via_http_end(struct bytes in)
{
	const uint8_t *p = in.p, *end = in.p + in.len;

	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		p++;
		if (end - p >= 1 && p[0] == '\n')
			return (size_t)(p - in.p) + 1;
		if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
			return (size_t)(p - in.p) + 2;
	}
	return 0;
}

/* "HTTP/1.1 200 OK"; whatever its header says, the answer to CONNECT has no body. */
static enum via_verdict
via_http_input(const struct via *via, struct bytes in, size_t *used, struct reason *why)
{
	static const char form[] = "HTTP/1.d ddd";
	unsigned int code = 0;
	size_t i;

	for (i = 0; i < in.len && i < sizeof(form) - 1; i++)
		if (form[i] == 'd' ? in.p[i] < '0' || in.p[i] > '9' : in.p[i] != form[i]) {
			reason_set(why, "does not speak HTTP");
			return VIA_FAILED;
		}
	if (in.len < sizeof(form))
		return VIA_MORE;
	for (i = sizeof(form) - 4; i < sizeof(form) - 1; i++)
		code = 10 * code + (in.p[i] - '0');
	if (in.p[i] != ' ' && in.p[i] != '\r' && in.p[i] != '\n') {
		reason_set(why, "does not speak HTTP");
		return VIA_FAILED;
	}
	if (code < 200 || code > 299)
		return via_http_refused(code, via, why);
	*used = via_http_end(in);
	return *used > 0 ? VIA_OPEN : VIA_MORE;
}

/* --- either --- */

int
via_begin(struct via *via, struct buf *out, struct reason *why)
{
	return strcmp(via->scheme, "http") == 0 ? via_http_begin(via, out, why) :
						  via_socks_begin(via, out, why);
}

enum via_verdict
via_input(struct via *via, struct bytes in, size_t *used, struct buf *out, struct reason *why)
{
	enum via_verdict v;

	*used = 0;
	v = via->state == VIA_HTTP ? via_http_input(via, in, used, why) :
				     via_socks_input(via, in, used, out, why);
	if (v == VIA_MORE)
		*used = in.len;
	if (v == VIA_MORE && in.len >= VIA_ANSWER_MAX) {
		reason_set(why, "answers with more than %u bytes", VIA_ANSWER_MAX);
		v = VIA_FAILED;
	}
	return v;
}
