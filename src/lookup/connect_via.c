/*
 * Parsing ConnectVia (connect_via.h).  Called when a route is read, and for each dial.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/keyword.h"
#include "lookup/connect_via.h"
#include "lookup/route.h"
#include "lookup/route_types.h"

#define FORMS \
	"socks5://[user@]host:port, http://[user@]host:port, https://[user@]host:port or tls://host:port"

/* SCHEME, from what is before "://". */
static int
connect_via_scheme(const char *value, size_t len, struct connect_via *via, struct reason *why)
{
	static const char *const known[] = { "socks5", "http", "https", "tls" };
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i]) != len || memcmp(value, known[i], len) != 0)
			continue;
		memcpy(via->scheme, known[i], len + 1);
		return 0;
	}
	return keyword_bad(why, "write " FORMS);
}

int
connect_via_is_tls(const struct connect_via *via)
{
	return strcmp(via->scheme, "https") == 0 || strcmp(via->scheme, "tls") == 0;
}

int
route_has_tls(const struct route *r)
{
	struct connect_via via;
	struct reason why;

	return r->connect_via != NULL && connect_via_parse(r->connect_via, &via, &why) == 0 &&
	    connect_via_is_tls(&via);
}

/* USER: bytes that stand for themselves in both protocols. */
static int
connect_via_user(const char *user, size_t len, struct connect_via *via, struct reason *why)
{
	size_t i;

	if (memchr(user, ':', len) != NULL)
		return keyword_bad(why,
		    "a password does not stand here: put it into the key store (sallyport key add "
		    "NAME --password) and write ConnectViaPassword = NAME");
	if (len == 0 || len >= sizeof(via->user))
		return keyword_bad(why, "the user before the @ has 1 to 255 bytes");
	for (i = 0; i < len; i++)
		if (user[i] <= ' ' || user[i] == 0x7f)
			return keyword_bad(why, "the user before the @ is printable ASCII text");
	memcpy(via->user, user, len);
	via->user[len] = '\0';
	return 0;
}

/* HOST:PORT, the host of an IPv6 address in brackets. */
static int
connect_via_place(const char *place, struct connect_via *via, struct reason *why)
{
	const char *colon = strrchr(place, ':'), *host = place;
	size_t len = colon != NULL ? (size_t)(colon - place) : 0;
	char *end = NULL;
	long port = 0;

	if (colon != NULL && colon[1] >= '0' && colon[1] <= '9')
		port = strtol(colon + 1, &end, 10);
	if (end == NULL || *end != '\0' || port < 1 || port > 65535)
		return keyword_bad(why,
		    "\"%.80s\" does not end with a port from 1 to 65535; write " FORMS, place);
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len) != NULL) {
		return keyword_bad(why, "\"%.80s\": write an IPv6 address in brackets, [::1]:1080",
		    place);
	}
	if (len >= sizeof(via->host))
		return keyword_bad(why, "\"%.80s\" is not a host name or address", place);
	memcpy(via->host, host, len);
	via->host[len] = '\0';
	via->port = (uint16_t)port;
	return route_check_host(via->host, why);
}

int
connect_via_parse(const char *value, struct connect_via *via, struct reason *why)
{
	const char *rest = strstr(value, "://"), *at;
	int err;

	*via = (struct connect_via){ 0 };
	if (rest == NULL)
		return keyword_bad(why, "write " FORMS);
	err = connect_via_scheme(value, (size_t)(rest - value), via, why);
	rest += 3;
	at = strrchr(rest, '@');
	if (err == 0 && at != NULL && strcmp(via->scheme, "tls") == 0)
		return keyword_bad(why, "tls:// has no user: nobody asks for a login there");
	if (err == 0 && at != NULL)
		err = connect_via_user(rest, (size_t)(at - rest), via, why);
	return err != 0 ? err : connect_via_place(at != NULL ? at + 1 : rest, via, why);
}

const char *
connect_via_text(const struct connect_via *via, char out[CONNECT_VIA_TEXT_SIZE])
{
	const int v6 = strchr(via->host, ':') != NULL;

	snprintf(out, CONNECT_VIA_TEXT_SIZE, "%s://%s%s%s:%u", via->scheme, v6 ? "[" : "",
	    via->host, v6 ? "]" : "", via->port);
	return out;
}

int
route_check_connect_via(const char *value, struct reason *why)
{
	struct connect_via via;

	return connect_via_parse(value, &via, why);
}
