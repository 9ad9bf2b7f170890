/*
 * The ClientHello of TLS (RFC 8446 section 4.1.2), which may be spread over records (section 5.1), with the
 * host of its server_name (RFC 6066 section 3) and the names of its ALPN (RFC 7301).  Extensions that nobody
 * knows, as those of RFC 8701, are skipped.
 */
#include <string.h>

#include "edge/kind_private.h"
#include "wire/wire.h"

#define TLS_RECORD_HEADER 5
#define TLS_RECORD_MAX 16384
#define TLS_HANDSHAKE 22   /* type of a record */
#define TLS_CLIENT_HELLO 1 /* type of a message */
#define TLS_HELLO_HEADER 4 /* that type, and the length in three bytes */
#define TLS_SERVER_NAME 0  /* extensions */
#define TLS_ALPN 16
#define TLS_NAME_IS_HOST 0 /* type of a name */

static size_t
tls_u16(struct wire *w)
{
	const size_t high = wire_u8(w);

	return high << 8 | wire_u8(w);
}

/* A reader of the vector that is next, whose length has two bytes. */
static struct wire
tls_vector(struct wire *w)
{
	struct bytes b = wire_bytes(w, tls_u16(w));
	struct wire vector;

	wire_init(&vector, b.p, b.len);
	return vector;
}

/* 0 if the beginning of a record, up to n bytes, can be that of a handshake. */
static int
tls_check_record(const uint8_t *p, size_t n)
{
	size_t len;

	if (p[0] != TLS_HANDSHAKE || (n > 1 && p[1] != 3))
		return ERR_NOTFOUND;
	if (n < TLS_RECORD_HEADER)
		return n > 3 && p[3] > TLS_RECORD_MAX >> 8 ? ERR_NOTFOUND : 0;
	len = (size_t)p[3] << 8 | p[4];
	return len > 0 && len <= TLS_RECORD_MAX ? 0 : ERR_NOTFOUND;
}

/* 0 with the length of the whole message; or what can be said of its beginning. */
static int
tls_check_hello(const uint8_t *p, size_t n, size_t *len)
{
	if (n > 0 && p[0] != TLS_CLIENT_HELLO)
		return ERR_NOTFOUND;
	if (n < TLS_HELLO_HEADER)
		return ERR_AGAIN;
	*len = TLS_HELLO_HEADER + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
	/* more cannot be seen */
	if (*len > KIND_MAX - TLS_RECORD_HEADER || (n > TLS_HELLO_HEADER && p[4] != 3))
		return ERR_NOTFOUND;
	return n < *len ? ERR_AGAIN : 0;
}

/* Put the message together from the records: 0 with its length. */
static int
tls_join(const uint8_t *p, size_t n, uint8_t hello[KIND_MAX], size_t *len)
{
	size_t have = 0, some, record;
	int r = ERR_AGAIN;

	while (r == ERR_AGAIN && n > 0) {
		if (tls_check_record(p, n) != 0)
			return ERR_NOTFOUND;
		if (n < TLS_RECORD_HEADER)
			return ERR_AGAIN;
		record = (size_t)p[3] << 8 | p[4];
		p += TLS_RECORD_HEADER;
		n -= TLS_RECORD_HEADER;
		some = record < n ? record : n;
		memcpy(hello + have, p, some);
		have += some;
		p += some;
		n -= some;
		r = tls_check_hello(hello, have, len);
	}
	return r;
}

/* The data of server_name.  0 or ERR_FORMAT. */
static int
tls_server_name(struct wire *w, struct kind *k)
{
	struct wire list = tls_vector(w), name;
	uint8_t type;
	int hosts = 0;

	if (wire_end(w) != 0 || list.left == 0)
		return ERR_FORMAT;
	while (list.left > 0) {
		type = wire_u8(&list);
		name = tls_vector(&list);
		if (wire_err(&list) != 0 || name.left == 0)
			return ERR_FORMAT;
		if (type != TLS_NAME_IS_HOST)
			continue;
		if (hosts++ > 0)
			return ERR_FORMAT;
		(void)kind_set_host(k, wire_rest(&name));
	}
	return 0;
}

/* Append a name; one that cannot be shown, or for which there is no room, is left out. */
static void
tls_add_alpn(struct bytes name, struct kind *k)
{
	size_t i, len = strlen(k->alpn);

	for (i = 0; i < name.len; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ',')
			return;
	if (len + 1 + name.len >= sizeof(k->alpn))
		return;
	if (len > 0)
		k->alpn[len++] = ',';
	memcpy(k->alpn + len, name.p, name.len);
}

/* The data of ALPN.  0 or ERR_FORMAT. */
static int
tls_alpn(struct wire *w, struct kind *k)
{
	struct wire list = tls_vector(w);
	struct bytes name;

	if (wire_end(w) != 0 || list.left == 0)
		return ERR_FORMAT;
	while (list.left > 0) {
		name = wire_bytes(&list, wire_u8(&list));
		if (wire_err(&list) != 0 || name.len == 0)
			return ERR_FORMAT;
		tls_add_alpn(name, k);
	}
	return 0;
}

/* 0 or ERR_FORMAT. */
static int
tls_extensions(struct wire *w, struct kind *k)
{
	int names = 0, alpns = 0, r = 0;
	struct wire data;
	size_t type;

	while (r == 0 && w->left > 0) {
		type = tls_u16(w);
		data = tls_vector(w);
		if (wire_err(w) != 0)
			return ERR_FORMAT;
		if (type == TLS_SERVER_NAME)
			r = names++ > 0 ? ERR_FORMAT : tls_server_name(&data, k);
		else if (type == TLS_ALPN)
			r = alpns++ > 0 ? ERR_FORMAT : tls_alpn(&data, k);
	}
	return r;
}

/* The message behind its header.  0 or ERR_FORMAT. */
static int
tls_hello(struct wire *w, struct kind *k)
{
	struct wire extensions, suites;
	size_t session, compressions;

	(void)tls_u16(w);	 /* version */
	(void)wire_bytes(w, 32); /* random */
	session = wire_u8(w);
	(void)wire_bytes(w, session);
	suites = tls_vector(w);
	compressions = wire_u8(w);
	(void)wire_bytes(w, compressions);
	if (wire_err(w) != 0 || session > 32 || suites.left < 2 || suites.left % 2 != 0 ||
	    compressions == 0)
		return ERR_FORMAT;
	if (w->left == 0)
		return 0;
	extensions = tls_vector(w);
	if (wire_end(w) != 0)
		return ERR_FORMAT;
	return tls_extensions(&extensions, k);
}

int
kind_tls(const uint8_t *p, size_t n, struct kind *k)
{
	uint8_t hello[KIND_MAX];
	struct wire w;
	size_t len;
	int r = tls_join(p, n, hello, &len);

	if (r != 0)
		return r;
	wire_init(&w, hello + TLS_HELLO_HEADER, len - TLS_HELLO_HEADER);
	if (tls_hello(&w, k) != 0)
		return ERR_NOTFOUND;
	k->kind = IPC_KIND_TLS;
	return 0;
}
