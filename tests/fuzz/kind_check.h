/*
 * What holds for edge/kind of any bytes.  For the fuzz drivers, and for the unit tests of samples.
 */
#ifndef KIND_CHECK_H
#define KIND_CHECK_H

#include <string.h>

#include "edge/kind.h"
#include "fuzz.h"

/* What an answer may be. */
static inline void
kind_check_answer(const struct kind *k, size_t n)
{
	const char *c;

	CHECK(k->kind < IPC_KINDS);
	CHECK(memchr(k->host, '\0', sizeof(k->host)) != NULL);
	CHECK(memchr(k->alpn, '\0', sizeof(k->alpn)) != NULL);
	CHECK(memchr(k->credentials, '\0', sizeof(k->credentials)) != NULL);
	CHECK(k->host[0] == '\0' || destination_host_ok(k->host));
	for (c = k->host; *c != '\0'; c++)
		CHECK(*c < 'A' || *c > 'Z');
	for (c = k->alpn; *c != '\0'; c++)
		CHECK(*c > ' ' && *c <= '~');
	CHECK(k->alpn[0] == '\0' || k->kind == IPC_KIND_TLS);
	CHECK(k->credentials[0] == '\0' || strchr(k->credentials, ':') != NULL);
	if (k->kind == IPC_KIND_CONNECT)
		CHECK(k->take > 0 && k->take <= n && (k->port > 0) == (k->host[0] != '\0'));
	else
		CHECK(k->take == 0 && k->port == 0 && k->credentials[0] == '\0');
	CHECK(k->kind != IPC_KIND_BANNER || k->host[0] != '\0');
	if (k->kind == IPC_KIND_SILENT || k->kind == IPC_KIND_SSH || k->kind == IPC_KIND_OPENVPN ||
	    k->kind == IPC_KIND_OTHER || k->kind == IPC_KIND_CLOSED)
		CHECK(k->host[0] == '\0');
}

/* A beginning, in memory of its own, so that a byte read behind it is found. */
static inline int
kind_check_beginning(const uint8_t *data, size_t n, struct kind *k)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	struct kind late, closed;
	int r;

	CHECK(copy != NULL);
	memcpy(copy, data, n);
	r = kind_of(copy, n, KIND_OPEN, k);
	CHECK(r == 0 || (r == ERR_AGAIN && n < KIND_MAX));
	CHECK(kind_of(copy, n, KIND_LATE, &late) == 0);
	CHECK(kind_of(copy, n, KIND_CLOSED, &closed) == 0);
	kind_check_answer(&late, n);
	kind_check_answer(&closed, n);
	if (r == 0) {
		kind_check_answer(k, n);
		CHECK(n > 0 && k->kind != IPC_KIND_SILENT && k->kind != IPC_KIND_CLOSED);
		CHECK(memcmp(k, &late, sizeof(*k)) == 0 && memcmp(k, &closed, sizeof(*k)) == 0);
	} else {
		CHECK(late.kind == IPC_KIND_SSH || late.kind == IPC_KIND_OTHER ||
		    (late.kind == IPC_KIND_SILENT && n == 0));
		CHECK(closed.kind == IPC_KIND_SSH || closed.kind == IPC_KIND_CLOSED);
	}
	free(copy);
	return r;
}

/* However the bytes are cut, the answer is the same once there is one.  0 with it, or ERR_AGAIN. */
static inline int
kind_check(const uint8_t *data, size_t len, struct kind *k)
{
	struct kind first;
	size_t n;
	int r = ERR_AGAIN, known = 0;

	memset(k, 0, sizeof(*k));
	for (n = 0; n <= len; n++) {
		/* all cuts of what is short; of what is long, its beginning, its end and some */
		if (n > 600 && n + 20 < len && n % 97 != 0)
			continue;
		r = kind_check_beginning(data, n, k);
		CHECK(!known || (r == 0 && memcmp(k, &first, sizeof(first)) == 0));
		if (r == 0 && !known) {
			known = 1;
			first = *k;
		}
	}
	return r;
}

#endif
