/*
 * A request of HTTP/1 (RFC 9112), with its host; the request for a connection to a host, CONNECT (RFC 9110
 * section 9.3.6), with its whole head; and the beginning of HTTP/2 without TLS (RFC 9113 section 3.4).
 */
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "edge/kind_private.h"
#include "formats/text.h"
#include "wire/wire.h"

/* The longest method that is registered has 17 characters. */
#define HTTP_METHOD_MAX 20

/* "METHOD TARGET HTTP/1.1": 0 with the first two.  ERR_AGAIN and ERR_NOTFOUND as for all of kind_http(): a line
 * that is no request is seen at its first wrong byte. */
static int
http_request_line(struct bytes *text, struct bytes *method, struct bytes *target)
{
	static const char version[] = "HTTP/1.";
	struct bytes line, rest = *text;
	size_t i;
	int r = kind_line(text, &line);

	if (r == ERR_NOTFOUND)
		return ERR_NOTFOUND;
	if (r == 0)
		rest = line;
	for (i = 0; i < rest.len && rest.p[i] != ' '; i++)
		if (i == HTTP_METHOD_MAX ||
		    ((rest.p[i] < 'A' || rest.p[i] > 'Z') && rest.p[i] != '-'))
			return ERR_NOTFOUND;
	*method = (struct bytes){ rest.p, i };
	if (r == 0 && i == rest.len)
		return ERR_NOTFOUND;
	if (i == rest.len)
		return ERR_AGAIN;
	rest = (struct bytes){ rest.p + i + 1, rest.len - i - 1 };
	for (i = 0; i < rest.len && rest.p[i] != ' '; i++)
		if (rest.p[i] == '\t')
			return ERR_NOTFOUND;
	if (i == 0 && rest.len > 0)
		return ERR_NOTFOUND;
	*target = (struct bytes){ rest.p, i };
	if (r != 0 && i == rest.len)
		return ERR_AGAIN;
	if (i == rest.len)
		return ERR_NOTFOUND;
	rest = (struct bytes){ rest.p + i + 1, rest.len - i - 1 };
	/* the rest is short: the end of the line says whether it is right */
	if (r != 0)
		return rest.len > sizeof("HTTP/1.1\r") - 1 ? ERR_NOTFOUND : ERR_AGAIN;
	if (bytes_is(*method, "PRI") && bytes_is(*target, "*") && bytes_is(rest, "HTTP/2.0"))
		return 0;
	if (rest.len != sizeof(version) || memcmp(rest.p, version, sizeof(version) - 1) != 0 ||
	    rest.p[rest.len - 1] < '0' || rest.p[rest.len - 1] > '9')
		return ERR_NOTFOUND;
	return 0;
}

/* A target that is a whole URI: 1 with its host in *k, "" if it has none that can be one. */
static int
http_uri_host(struct bytes target, struct kind *k)
{
	static const char *const schemes[] = { "http://", "https://" };
	size_t i, len;
	int port;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		len = strlen(schemes[i]);
		if (target.len < len || strncasecmp((const char *)target.p, schemes[i], len) != 0)
			continue;
		target = (struct bytes){ target.p + len, target.len - len };
		for (len = 0; len < target.len && strchr("/?#", target.p[len]) == NULL; len++)
			;
		(void)kind_set_authority(k, (struct bytes){ target.p, len }, &port);
		return 1;
	}
	return 0;
}

/* Host: of the head. */
static int
http_host(struct bytes text, struct kind *k)
{
	struct bytes line, value;
	int r, port;

	while ((r = kind_line(&text, &line)) == 0 && line.len > 0)
		if (kind_header(line, "Host", &value)) {
			(void)kind_set_authority(k, value, &port);
			break;
		}
	return r == ERR_AGAIN ? r : 0;
}

/* Basic credentials (RFC 7617), in base64.  1, or 0 if they are malformed. */
static int
http_credentials(struct bytes value, struct kind *k)
{
	struct bytes scheme = text_word(&value);
	size_t len = 0, i;

	if (scheme.len != 5 || strncasecmp((const char *)scheme.p, "Basic", 5) != 0 ||
	    sodium_base642bin((uint8_t *)k->credentials, sizeof(k->credentials) - 1,
		(const char *)value.p, value.len, NULL, &len, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0)
		return 0;
	for (i = 0; i < len; i++)
		if ((uint8_t)k->credentials[i] < ' ' || k->credentials[i] == 0x7f)
			return 0;
	return strchr(k->credentials, ':') != NULL;
}

/* CONNECT, to the end of its head. */
static int
http_connect(const uint8_t *p, struct bytes text, struct bytes target, struct kind *k)
{
	struct bytes line, value;
	int r, port, given = 0, ok = 1;

	while ((r = kind_line(&text, &line)) == 0 && line.len > 0)
		if (kind_header(line, "Proxy-Authorization", &value))
			ok = given++ == 0 && http_credentials(value, k);
	if (r == ERR_AGAIN)
		sodium_memzero(k->credentials, sizeof(k->credentials));
	if (r != 0)
		return r;
	if (!ok)
		sodium_memzero(k->credentials, sizeof(k->credentials));
	k->kind = IPC_KIND_CONNECT;
	k->take = (size_t)(text.p - p);
	if (kind_set_authority(k, target, &port) && port != -1)
		k->port = (uint16_t)port;
	else
		memset(k->host, 0, sizeof(k->host));
	return 0;
}

int
kind_http(const uint8_t *p, size_t n, struct kind *k)
{
	struct bytes text = { p, n }, method = { NULL, 0 }, target = { NULL, 0 };
	int r = http_request_line(&text, &method, &target);

	if (r != 0)
		return r;
	if (bytes_is(method, "CONNECT"))
		return http_connect(p, text, target, k);
	k->kind = IPC_KIND_HTTP;
	if (bytes_is(method, "PRI") || http_uri_host(target, k))
		return 0;
	return http_host(text, k);
}
