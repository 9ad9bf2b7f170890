/*
 * The larger bodies of messages between processes, writer beside reader.  The processes at
 * both ends call these, with messages of ipc.def.
 */
#include <string.h>

#include "ipc/messages.h"
#include "ipc/messages_private.h"

/* Longer texts than these are malformed. */
#define ALGORITHMS_SIZE 1024
#define ALPN_SIZE 256
#define FORWARD_NAME_SIZE 128
#define TITLE_SIZE 512

const char *
text_get(struct wire *body, struct ipc_texts *texts, size_t size)
{
	char *text = texts->space + texts->used;

	if (size > sizeof(texts->space) - texts->used) {
		body->err = ERR_FORMAT;
		return "";
	}
	wire_text(body, text, size);
	texts->used += strlen(text) + 1;
	return text;
}

void
strings_put(struct buf *b, const struct strlist *strings)
{
	size_t i;

	wire_put_u32(b, (uint32_t)strings->n);
	for (i = 0; i < strings->n; i++)
		wire_put_text(b, strings->v[i]);
}

int
strings_get(struct wire *body, struct strlist *strings, uint32_t max)
{
	uint32_t n = wire_u32(body);
	struct bytes s;

	if (n > max)
		return ERR_FORMAT;
	for (; n > 0; n--) {
		s = wire_string(body);
		if (wire_err(body) != 0 || memchr(s.p, '\0', s.len) != NULL)
			return ERR_FORMAT;
		if (strlist_add(strings, (const char *)s.p, s.len) != 0)
			return ERR_NOMEM;
	}
	return wire_err(body);
}

void
algorithms_put(struct buf *b, const struct ipc_algorithms *a)
{
	wire_put_text(b, a->kex);
	wire_put_text(b, a->host_keys);
	wire_put_text(b, a->ciphers);
	wire_put_text(b, a->macs);
}

void
algorithms_get(struct wire *body, struct ipc_algorithms *a, struct ipc_texts *texts)
{
	a->kex = text_get(body, texts, ALGORITHMS_SIZE);
	a->host_keys = text_get(body, texts, ALGORITHMS_SIZE);
	a->ciphers = text_get(body, texts, ALGORITHMS_SIZE);
	a->macs = text_get(body, texts, ALGORITHMS_SIZE);
}

void
ipc_connection_put(struct buf *b, const struct ipc_connection *m)
{
	wire_put_u64(b, m->session);
	wire_put_text(b, m->client);
	wire_put_u32(b, m->client_port);
	wire_put_text(b, m->local);
	wire_put_u32(b, m->local_port);
	wire_put_text(b, m->host);
	wire_put_u64(b, m->tls);
}

int
ipc_connection_get(struct wire *body, struct ipc_connection *m)
{
	m->texts.used = 0;
	m->session = wire_u64(body);
	m->client = text_get(body, &m->texts, ADDRESS_SIZE);
	m->client_port = wire_u32(body);
	m->local = text_get(body, &m->texts, ADDRESS_SIZE);
	m->local_port = wire_u32(body);
	m->host = text_get(body, &m->texts, HOST_SIZE);
	m->tls = wire_u64(body);
	return wire_end(body);
}

void
ipc_header_put(struct buf *b, const struct ipc_header *m)
{
	wire_put_u64(b, m->connection);
	wire_put_bytes(b, m->client);
	wire_put_u32(b, m->client_port);
	wire_put_bytes(b, m->local);
	wire_put_u32(b, m->local_port);
}

static int
header_address_ok(struct bytes address)
{
	return address.len == 0 || address.len == 4 || address.len == 16;
}

int
ipc_header_get(struct wire *body, struct ipc_header *m)
{
	m->connection = wire_u64(body);
	m->client = wire_string(body);
	m->client_port = wire_u32(body);
	m->local = wire_string(body);
	m->local_port = wire_u32(body);
	if (wire_end(body) != 0 || (m->client.len == 0) != (m->local.len == 0) ||
	    !header_address_ok(m->client) || !header_address_ok(m->local) ||
	    m->client_port > UINT16_MAX || m->local_port > UINT16_MAX)
		return ERR_FORMAT;
	return 0;
}

void
ipc_opening_put(struct buf *b, const struct ipc_opening *m)
{
	wire_put_u64(b, m->connection);
	buf_put_u8(b, (uint8_t)m->kind);
	wire_put_text(b, m->host);
	wire_put_u32(b, m->port);
	wire_put_text(b, m->alpn);
	wire_put_u32(b, m->pattern);
	wire_put_bytes(b, m->credentials);
}

int
ipc_opening_get(struct wire *body, struct ipc_opening *m)
{
	m->texts.used = 0;
	m->connection = wire_u64(body);
	m->kind = (enum ipc_kind)wire_u8(body);
	m->host = text_get(body, &m->texts, HOST_SIZE);
	m->port = wire_u32(body);
	m->alpn = text_get(body, &m->texts, ALPN_SIZE);
	m->pattern = wire_u32(body);
	m->credentials = wire_string(body);
	if (m->kind >= IPC_KINDS || m->port > UINT16_MAX)
		return ERR_FORMAT;
	return wire_end(body);
}

void
ipc_forward_put(struct buf *b, const struct ipc_forward *m)
{
	wire_put_u64(b, m->connection);
	wire_put_text(b, m->name);
	wire_put_text(b, m->client);
	wire_put_u32(b, m->client_port);
	wire_put_text(b, m->host);
	wire_put_u32(b, m->idle_ms);
}

int
ipc_forward_get(struct wire *body, struct ipc_forward *m)
{
	m->texts.used = 0;
	m->connection = wire_u64(body);
	m->name = text_get(body, &m->texts, FORWARD_NAME_SIZE);
	m->client = text_get(body, &m->texts, ADDRESS_SIZE);
	m->client_port = wire_u32(body);
	m->host = text_get(body, &m->texts, HOST_SIZE);
	m->idle_ms = wire_u32(body);
	return wire_end(body);
}

void
ipc_upstream_fd_put(struct buf *b, const struct ipc_upstream_fd *m)
{
	wire_put_text(b, m->title);
	algorithms_put(b, &m->algorithms);
	wire_put_u32(b, m->alive_interval_ms);
	wire_put_u32(b, m->login_ms);
	wire_put_bool(b, m->patient);
}

int
ipc_upstream_fd_get(struct wire *body, struct ipc_upstream_fd *m)
{
	m->texts.used = 0;
	m->title = text_get(body, &m->texts, TITLE_SIZE);
	algorithms_get(body, &m->algorithms, &m->texts);
	m->alive_interval_ms = wire_u32(body);
	m->login_ms = wire_u32(body);
	m->patient = wire_bool(body);
	return wire_end(body);
}

void
ipc_hop_put(struct buf *b, const struct ipc_hop *m)
{
	wire_put_u64(b, m->session);
	wire_put_text(b, m->title);
	wire_put_u32(b, m->alive_max);
	wire_put_u32(b, m->rekey_ms);
	wire_put_u64(b, m->rekey_bytes);
}

int
ipc_hop_get(struct wire *body, struct ipc_hop *m)
{
	m->texts.used = 0;
	m->session = wire_u64(body);
	m->title = text_get(body, &m->texts, TITLE_SIZE);
	m->alive_max = wire_u32(body);
	m->rekey_ms = wire_u32(body);
	m->rekey_bytes = wire_u64(body);
	return wire_end(body);
}

void
ipc_carry_put(struct buf *b, const struct ipc_carry *m)
{
	wire_put_u32(b, m->timeout_ms);
	wire_put_u32(b, m->port);
	strings_put(b, &m->hosts);
}

int
ipc_carry_get(struct wire *body, struct ipc_carry *m)
{
	int r;

	m->timeout_ms = wire_u32(body);
	m->port = wire_u32(body);
	m->hosts = (struct strlist){ 0 };
	r = strings_get(body, &m->hosts, IPC_HOSTS_MAX);
	if (r == 0)
		r = wire_end(body);
	if (r != 0)
		strlist_free(&m->hosts);
	return r;
}

void
ipc_end_put(struct buf *b, const struct ipc_end *m)
{
	wire_put_text(b, m->reason);
	wire_put_u64(b, m->from_client);
	wire_put_u64(b, m->to_client);
	buf_put_u8(b, (uint8_t)m->how);
	wire_put_u32(b, m->code);
	wire_put_text(b, m->text);
}

int
ipc_end_get(struct wire *body, struct ipc_end *m)
{
	m->texts.used = 0;
	m->reason = text_get(body, &m->texts, REASON_SIZE);
	m->from_client = wire_u64(body);
	m->to_client = wire_u64(body);
	m->how = wire_u8(body);
	m->code = wire_u32(body);
	m->text = text_get(body, &m->texts, REASON_SIZE);
	return wire_end(body);
}

void
ipc_host_keys_put(struct buf *b, const struct ipc_host_keys *m)
{
	size_t i;

	wire_put_u32(b, (uint32_t)m->certificates);
	wire_put_u32(b, (uint32_t)m->n);
	for (i = 0; i < m->n; i++)
		wire_put_bytes(b, m->v[i]);
}

int
ipc_host_keys_get(struct wire *body, struct ipc_host_keys *m)
{
	size_t i;

	m->certificates = wire_u32(body);
	m->n = wire_u32(body);
	if (m->n > IPC_HOST_KEYS_MAX || m->certificates > m->n)
		return ERR_FORMAT;
	for (i = 0; i < m->n; i++)
		m->v[i] = wire_string(body);
	return wire_end(body);
}

void
ipc_bind_put(struct buf *b, const struct ipc_bind *m)
{
	wire_put_u64(b, m->tunnel);
	wire_put_text(b, m->host);
	wire_put_u32(b, m->first);
	wire_put_u32(b, m->last);
	wire_put_u32(b, m->wanted);
	wire_put_bool(b, m->exact);
}

int
ipc_bind_get(struct wire *body, struct ipc_bind *m)
{
	m->texts.used = 0;
	m->tunnel = wire_u64(body);
	m->host = text_get(body, &m->texts, ADDRESS_SIZE);
	m->first = wire_u32(body);
	m->last = wire_u32(body);
	m->wanted = wire_u32(body);
	m->exact = wire_bool(body);
	return wire_end(body);
}

void
ipc_visit_put(struct buf *b, const struct ipc_visit *m)
{
	wire_put_text(b, m->name);
	wire_put_u32(b, m->port);
	wire_put_bool(b, m->http);
	wire_put_text(b, m->client);
	wire_put_u32(b, m->client_port);
}

int
ipc_visit_get(struct wire *body, struct ipc_visit *m)
{
	m->texts.used = 0;
	m->name = text_get(body, &m->texts, ADDRESS_SIZE);
	m->port = wire_u32(body);
	m->http = wire_bool(body);
	m->client = text_get(body, &m->texts, ADDRESS_SIZE);
	m->client_port = wire_u32(body);
	return wire_end(body);
}

void
ipc_tunnelled_put(struct buf *b, const struct ipc_tunnelled *m)
{
	wire_put_text(b, m->address);
	wire_put_u32(b, m->port);
	wire_put_text(b, m->client);
	wire_put_u32(b, m->client_port);
	wire_put_text(b, m->name);
}

int
ipc_tunnelled_get(struct wire *body, struct ipc_tunnelled *m)
{
	m->texts.used = 0;
	m->address = text_get(body, &m->texts, HOST_SIZE);
	m->port = wire_u32(body);
	m->client = text_get(body, &m->texts, ADDRESS_SIZE);
	m->client_port = wire_u32(body);
	m->name = text_get(body, &m->texts, HOST_SIZE);
	return wire_end(body);
}
