/*
 * The bodies of messages to and from errands (messages.h), writer beside reader.
 */
#include <string.h>

#include "ipc/messages_private.h"

/* Longer texts than these are malformed. */
#define VIA_SIZE 8
#define ALGORITHM_SIZE 64
#define SOCKET_SIZE 4096
#define VERSION_SIZE 256
#define METHODS_SIZE 512
#define SIG_ALGS_SIZE 4100
#define PROGRAM_FAILURE_SIZE 200
#define PROGRAM_SAID_SIZE 256

/* Arguments, variables or paths in one RUN message. */
#define RUN_STRINGS_MAX 128

const struct ipc_approach ipc_approach_direct = { .via = "",
	.via_host = "",
	.via_user = "",
	.client = "",
	.local = "" };

static void
approach_put(struct buf *b, const struct ipc_approach *a)
{
	wire_put_text(b, a->via);
	wire_put_text(b, a->via_host);
	wire_put_u32(b, a->via_port);
	wire_put_text(b, a->via_user);
	wire_put_bytes(b, a->via_password);
	wire_put_bytes(b, a->via_ca);
	wire_put_u32(b, a->send_proxy);
	wire_put_text(b, a->client);
	wire_put_u32(b, a->client_port);
	wire_put_text(b, a->local);
	wire_put_u32(b, a->local_port);
	wire_put_bool(b, a->srv);
}

static void
approach_get(struct wire *body, struct ipc_approach *a, struct ipc_texts *texts)
{
	a->via = text_get(body, texts, VIA_SIZE);
	a->via_host = text_get(body, texts, HOST_SIZE);
	a->via_port = wire_u32(body);
	a->via_user = text_get(body, texts, HOST_SIZE);
	a->via_password = wire_string(body);
	a->via_ca = wire_string(body);
	a->send_proxy = wire_u32(body);
	a->client = text_get(body, texts, ADDRESS_SIZE);
	a->client_port = wire_u32(body);
	a->local = text_get(body, texts, ADDRESS_SIZE);
	a->local_port = wire_u32(body);
	a->srv = wire_bool(body);
}

void
ipc_dial_put(struct buf *b, const struct ipc_dial *m)
{
	wire_put_u64(b, m->session);
	wire_put_u32(b, m->timeout_ms);
	wire_put_u32(b, m->port);
	strings_put(b, &m->hosts);
	approach_put(b, &m->approach);
	strings_put(b, &m->destinations);
	wire_put_text(b, m->known != NULL ? m->known : "");
}

int
ipc_dial_get(struct wire *body, struct ipc_dial *m)
{
	int r;

	m->texts.used = 0;
	m->session = wire_u64(body);
	m->timeout_ms = wire_u32(body);
	m->port = wire_u32(body);
	m->hosts = m->destinations = (struct strlist){ 0 };
	r = strings_get(body, &m->hosts, IPC_HOSTS_MAX);
	approach_get(body, &m->approach, &m->texts);
	if (r == 0)
		r = strings_get(body, &m->destinations, IPC_DESTINATIONS_MAX);
	if (r == 0) {
		m->known = text_get(body, &m->texts, ADDRESS_SIZE);
		r = wire_end(body);
	}
	if (r != 0)
		ipc_dial_free(m);
	return r;
}

void
ipc_dial_free(struct ipc_dial *m)
{
	strlist_free(&m->hosts);
	strlist_free(&m->destinations);
}

void
ipc_run_put(struct buf *b, const struct ipc_run *m)
{
	wire_put_u64(b, m->session);
	wire_put_u32(b, m->timeout_ms);
	strings_put(b, &m->argv);
	strings_put(b, &m->env);
	strings_put(b, &m->closed);
	strings_put(b, &m->fixed);
}

int
ipc_run_get(struct wire *body, struct ipc_run *m)
{
	struct strlist *const lists[] = { &m->argv, &m->env, &m->closed, &m->fixed };
	size_t i;
	int r = 0;

	*m = (struct ipc_run){ 0 };
	m->session = wire_u64(body);
	m->timeout_ms = wire_u32(body);
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]) && r == 0; i++)
		r = strings_get(body, lists[i], RUN_STRINGS_MAX);
	if (r == 0)
		r = wire_end(body);
	if (r != 0)
		ipc_run_free(m);
	return r;
}

void
ipc_run_free(struct ipc_run *m)
{
	strlist_free(&m->argv);
	strlist_free(&m->env);
	strlist_free(&m->closed);
	strlist_free(&m->fixed);
}

void
ipc_ran_put(struct buf *b, const struct ipc_ran *m)
{
	wire_put_text(b, m->failure);
	wire_put_u32(b, m->status);
	wire_put_bytes(b, m->out);
	wire_put_text(b, m->said);
}

int
ipc_ran_get(struct wire *body, struct ipc_ran *m)
{
	m->texts.used = 0;
	m->failure = text_get(body, &m->texts, PROGRAM_FAILURE_SIZE);
	m->status = wire_u32(body);
	m->out = wire_string(body);
	m->said = text_get(body, &m->texts, PROGRAM_SAID_SIZE);
	return wire_end(body);
}

void
ipc_factor_ask_put(struct buf *b, const struct ipc_factor_ask *m)
{
	uint32_t i;

	wire_put_bytes(b, m->info);
	wire_put_u32(b, m->n);
	for (i = 0; i < m->n; i++) {
		wire_put_bool(b, m->questions[i].echo);
		wire_put_bytes(b, m->questions[i].text);
	}
}

int
ipc_factor_ask_get(struct wire *body, struct ipc_factor_ask *m)
{
	uint32_t i;

	m->info = wire_string(body);
	m->n = wire_u32(body);
	if (m->info.len > IPC_INSTRUCTIONS_MAX || m->n > IPC_QUESTIONS_MAX)
		return ERR_FORMAT;
	for (i = 0; i < m->n; i++) {
		m->questions[i].echo = wire_bool(body);
		m->questions[i].text = wire_string(body);
		if (m->questions[i].text.len > IPC_QUESTION_MAX)
			return ERR_FORMAT;
	}
	return wire_end(body);
}

void
ipc_look_put(struct buf *b, const struct ipc_look *m)
{
	wire_put_u32(b, m->connect_ms);
	wire_put_u32(b, m->total_ms);
	wire_put_u32(b, m->port);
	wire_put_bool(b, m->trial);
	wire_put_text(b, m->host);
	algorithms_put(b, &m->algorithms);
	approach_put(b, &m->approach);
	strings_put(b, &m->destinations);
}

int
ipc_look_get(struct wire *body, struct ipc_look *m)
{
	int r;

	m->texts.used = 0;
	m->destinations = (struct strlist){ 0 };
	m->connect_ms = wire_u32(body);
	m->total_ms = wire_u32(body);
	m->port = wire_u32(body);
	m->trial = wire_bool(body);
	m->host = text_get(body, &m->texts, HOST_SIZE);
	algorithms_get(body, &m->algorithms, &m->texts);
	approach_get(body, &m->approach, &m->texts);
	r = strings_get(body, &m->destinations, IPC_DESTINATIONS_MAX);
	if (r == 0)
		r = wire_end(body);
	if (r != 0)
		ipc_look_free(m);
	return r;
}

void
ipc_look_free(struct ipc_look *m)
{
	strlist_free(&m->destinations);
}

void
ipc_ca_sign_put(struct buf *b, const struct ipc_ca_sign *m)
{
	wire_put_u32(b, m->timeout_ms);
	wire_put_text(b, m->path);
	wire_put_bytes(b, m->ca);
	wire_put_text(b, m->alg);
	wire_put_bytes(b, m->data);
}

int
ipc_ca_sign_get(struct wire *body, struct ipc_ca_sign *m)
{
	m->texts.used = 0;
	m->timeout_ms = wire_u32(body);
	m->path = text_get(body, &m->texts, SOCKET_SIZE);
	m->ca = wire_string(body);
	m->alg = text_get(body, &m->texts, ALGORITHM_SIZE);
	m->data = wire_string(body);
	return wire_end(body);
}

void
ipc_host_key_put(struct buf *b, const struct ipc_host_key *m)
{
	wire_put_text(b, m->alg);
	wire_put_bytes(b, m->hash);
	wire_put_bytes(b, m->blob);
	wire_put_bytes(b, m->sig);
}

static void
host_key_get(struct wire *body, struct ipc_host_key *m)
{
	m->texts.used = 0;
	m->alg = text_get(body, &m->texts, ALGORITHM_SIZE);
	m->hash = wire_string(body);
	m->blob = wire_string(body);
	m->sig = wire_string(body);
}

int
ipc_host_key_get(struct wire *body, struct ipc_host_key *m)
{
	host_key_get(body, m);
	return wire_end(body);
}

void
ipc_looked_put(struct buf *b, const struct ipc_looked *m)
{
	wire_put_text(b, m->address);
	wire_put_text(b, m->version);
	wire_put_text(b, m->reason);
	wire_put_bool(b, m->hostbound);
	ipc_host_key_put(b, &m->key);
}

int
ipc_looked_get(struct wire *body, struct ipc_looked *m)
{
	m->texts.used = 0;
	m->address = text_get(body, &m->texts, ADDRESS_SIZE);
	m->version = text_get(body, &m->texts, VERSION_SIZE);
	m->reason = text_get(body, &m->texts, REASON_SIZE);
	m->hostbound = wire_bool(body);
	host_key_get(body, &m->key);
	return wire_end(body);
}

void
ipc_queried_put(struct buf *b, const struct ipc_queried *m)
{
	buf_put_u8(b, (uint8_t)m->taken);
	wire_put_text(b, m->methods);
	wire_put_text(b, m->sig_algs);
	wire_put_text(b, m->reason);
}

int
ipc_queried_get(struct wire *body, struct ipc_queried *m)
{
	m->texts.used = 0;
	m->taken = (enum ipc_taken)wire_u8(body);
	m->methods = text_get(body, &m->texts, METHODS_SIZE);
	m->sig_algs = text_get(body, &m->texts, SIG_ALGS_SIZE);
	m->reason = text_get(body, &m->texts, REASON_SIZE);
	if (m->taken > IPC_TAKEN_KEY)
		return ERR_FORMAT;
	return wire_end(body);
}
