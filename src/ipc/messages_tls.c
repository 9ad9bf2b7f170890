/*
 * The bodies of messages about TLS connections (messages.h), writer beside reader.
 */
#include <string.h>

#include "ipc/messages_private.h"

#define SECTION_SIZE 128
#define TLS_ALPN_SIZE 1024
#define TLS_SERIAL_SIZE 48
#define TLS_VERSION_SIZE 16

void
ipc_tls_connection_put(struct buf *b, const struct ipc_tls_connection *m)
{
	wire_put_u64(b, m->connection);
	wire_put_text(b, m->section);
	wire_put_text(b, m->host);
	wire_put_text(b, m->client);
	wire_put_u32(b, m->client_port);
	wire_put_text(b, m->local);
	wire_put_u32(b, m->local_port);
}

int
ipc_tls_connection_get(struct wire *body, struct ipc_tls_connection *m)
{
	m->texts.used = 0;
	m->connection = wire_u64(body);
	m->section = text_get(body, &m->texts, SECTION_SIZE);
	m->host = text_get(body, &m->texts, HOST_SIZE);
	m->client = text_get(body, &m->texts, ADDRESS_SIZE);
	m->client_port = wire_u32(body);
	m->local = text_get(body, &m->texts, ADDRESS_SIZE);
	m->local_port = wire_u32(body);
	return wire_end(body);
}

void
ipc_tls_hello_put(struct buf *b, const struct ipc_tls_hello *m)
{
	wire_put_u32(b, m->chain);
	wire_put_u32(b, m->client_ca);
	wire_put_u32(b, m->client_crl);
	wire_put_bool(b, m->only_13);
	wire_put_u32(b, m->timeout_ms);
	wire_put_text(b, m->alpn);
}

int
ipc_tls_hello_get(struct wire *body, struct ipc_tls_hello *m)
{
	m->texts.used = 0;
	m->chain = wire_u32(body);
	m->client_ca = wire_u32(body);
	m->client_crl = wire_u32(body);
	m->only_13 = wire_bool(body);
	m->timeout_ms = wire_u32(body);
	m->alpn = text_get(body, &m->texts, TLS_ALPN_SIZE);
	return wire_end(body);
}

void
ipc_tls_done_put(struct buf *b, const struct ipc_tls_done *m)
{
	wire_put_text(b, m->version);
	wire_put_bytes(b, m->fingerprint);
	wire_put_text(b, m->serial);
	wire_put_text(b, m->cn);
	strings_put(b, &m->units);
	strings_put(b, &m->names);
}

/* 1 if each is a name of a certificate: not empty, not too long. */
static int
tls_names_ok(const struct strlist *names)
{
	size_t i;

	for (i = 0; i < names->n; i++)
		if (names->v[i][0] == '\0' || strlen(names->v[i]) >= IPC_TLS_NAME_SIZE)
			return 0;
	return 1;
}

int
ipc_tls_done_get(struct wire *body, struct ipc_tls_done *m)
{
	int r;

	m->texts.used = 0;
	m->units = m->names = (struct strlist){ NULL, 0 };
	m->version = text_get(body, &m->texts, TLS_VERSION_SIZE);
	m->fingerprint = wire_string(body);
	m->serial = text_get(body, &m->texts, TLS_SERIAL_SIZE);
	m->cn = text_get(body, &m->texts, IPC_TLS_NAME_SIZE);
	r = strings_get(body, &m->units, IPC_TLS_UNITS_MAX);
	if (r == 0)
		r = strings_get(body, &m->names, IPC_TLS_NAMES_MAX);
	if (r == 0)
		r = wire_end(body);
	if (r == 0 &&
	    ((m->fingerprint.len != 0 && m->fingerprint.len != 32) || !tls_names_ok(&m->units) ||
		!tls_names_ok(&m->names)))
		r = ERR_FORMAT;
	if (r != 0)
		ipc_tls_done_free(m);
	return r;
}

void
ipc_tls_done_free(struct ipc_tls_done *m)
{
	strlist_free(&m->units);
	strlist_free(&m->names);
}
