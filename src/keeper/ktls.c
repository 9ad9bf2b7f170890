/*
 * TLS connections in the keeper: see ktls.h.  keeper.c calls it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "formats/tls_signed.h"
#include "ipc/messages.h"
#include "keeper/ktls.h"
#include "keeper/master_link.h"
#include "transport/keys.h"

/* How much later than its own timeout a process is cut. */
#define KTLS_SLACK_MS 5000
#define KTLS_REASON_SIZE 600

struct ktls {
	TAILQ_ENTRY(ktls) entry;
	struct keeper *keeper;
	struct snapshot *snapshot; /* has the files */
	const struct tls_files *files;
	struct source from_tls;
	uint64_t number;
	int sock;
	char client[64];
	uint32_t client_port;
	char host[DESTINATION_HOST_SIZE];
	int64_t deadline; /* of the handshake; CLOCK_NEVER once it is done */
	int has_signed;
	int excused;		 /* it has failed for a reason that is not the client's doing */
	struct tls_facts *facts; /* NULL until the handshake is done */
};

/* --- the end --- */

static void
ktls_tell_master(const struct ktls *t, struct buf *b)
{
	if (t->keeper->master == -1)
		buf_free(b);
	else if (master_link_send(t->keeper, b, -1) != 0)
		log_warn("TLS connection of %s: cannot reach the master", t->client);
}

static void
ktls_end(struct ktls *t)
{
	struct buf b;

	if (t->sock == -1)
		return;
	if (t->facts == NULL) {
		ipc_begin(&b, IPC_LOGIN_ENDED);
		wire_put_u64(&b, t->number);
		buf_put_u8(&b, t->excused ? IPC_LOGIN_EXCUSED : IPC_LOGIN_NOAUTH);
		ktls_tell_master(t, &b);
	}
	/* closing takes a descriptor out of the epoll set, as no other process has it */
	fd_close(&t->sock);
	TAILQ_REMOVE(&t->keeper->tls, t, entry);
	TAILQ_INSERT_TAIL(&t->keeper->tls_ended, t, entry);
}

/* One line of why there is no TLS connection; what strangers made up is escaped. */
static void
ktls_log_failed(const struct ktls *t, const char *why)
{
	char text[KTLS_REASON_SIZE * 4];
	struct log_fields f;

	log_vis(text, sizeof(text), why, strlen(why));
	log_fields_begin(&f, "tls_failed");
	log_field_text(&f, "client", t->client);
	log_field_number(&f, "client_port", t->client_port);
	log_field_text(&f, "host", t->host);
	log_field_text(&f, "tls", t->files->section->name);
	log_field_text(&f, "reason", why);
	log_event(LOG_LVL_INFO, &f, "TLS connection from %s port %u failed%s%s: %s", t->client,
	    t->client_port, t->host[0] == '\0' ? "" : " for host ", t->host, text);
}

/* Its process does what none of ours does. */
static void
ktls_broken(struct ktls *t, const char *why)
{
	log_error("TLS connection from %s port %u: ended: %s", t->client, t->client_port, why);
	ktls_end(t);
}

static void
ktls_free(struct ktls *t)
{
	tls_facts_unref(&t->facts);
	snapshot_unref(&t->snapshot);
	free(t);
}

void
ktls_reap(struct keeper *k)
{
	struct ktls *t;

	while ((t = TAILQ_FIRST(&k->tls_ended)) != NULL) {
		TAILQ_REMOVE(&k->tls_ended, t, entry);
		ktls_free(t);
	}
}

void
ktls_forget(struct keeper *k)
{
	while (!TAILQ_EMPTY(&k->tls))
		ktls_end(TAILQ_FIRST(&k->tls));
	ktls_reap(k);
}

void
ktls_sweep(struct keeper *k, int64_t now)
{
	struct ktls *t, *next;

	for (t = TAILQ_FIRST(&k->tls); t != NULL; t = next) {
		next = TAILQ_NEXT(t, entry);
		if (now >= t->deadline)
			ktls_broken(t, "HandshakeTimeout is over, and it does not end");
	}
}

/* --- the beginning --- */

static int
ktls_send(struct ktls *t, struct buf *b, int pass_fd)
{
	const int r = ipc_send(t->sock, b, pass_fd);

	if (r != 0 && r != ERR_EOF)
		ktls_broken(t, err_str(r));
	return r;
}

/* TLS_HELLO */
static int
ktls_send_hello(struct ktls *t)
{
	const struct tls_files *f = t->files;
	struct ipc_tls_hello hello = { .chain = f->chain,
		.client_ca = f->client_ca,
		.client_crl = f->client_crl,
		.only_13 = f->section->min_protocol == 1,
		.timeout_ms = (uint32_t)f->section->handshake_timeout_ms };
	struct buf alpn, b;
	size_t i;
	int r;

	buf_init(&alpn, 1000);
	for (i = 0; i < f->section->alpn.n; i++)
		buf_putf(&alpn, "%s%s", i == 0 ? "" : ",", f->section->alpn.v[i]);
	hello.alpn = buf_cstr(&alpn);
	if (hello.alpn == NULL) {
		r = ERR_TOOBIG;
	} else {
		ipc_begin(&b, IPC_TLS_HELLO);
		ipc_tls_hello_put(&b, &hello);
		r = ktls_send(t, &b, f->fd);
	}
	buf_free(&alpn);
	return r;
}

int
ktls_new(struct keeper *k, int sock, struct wire *body)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct ktls *t = calloc(1, sizeof(*t));
	struct ipc_tls_connection m;

	if (t == NULL) {
		close(sock);
		return ERR_NOMEM;
	}
	t->keeper = k;
	t->snapshot = snapshot_ref(k->now);
	t->from_tls = (struct source){ .kind = SOURCE_TLS, .tls = t };
	t->sock = sock;
	TAILQ_INSERT_TAIL(&k->tls, t, entry);
	event.data.ptr = &t->from_tls;
	if (ipc_tls_connection_get(body, &m) == 0) {
		t->number = m.connection;
		t->files = tls_files_find(&k->now->tls, m.section);
	}
	/* none: a reload has just taken the section away */
	if (t->files == NULL || epoll_ctl(k->epoll, EPOLL_CTL_ADD, sock, &event) == -1) {
		t->excused = 1;
		ktls_end(t);
		return ERR_NOTFOUND;
	}
	snprintf(t->client, sizeof(t->client), "%s", m.client);
	t->client_port = m.client_port;
	snprintf(t->host, sizeof(t->host), "%s", m.host);
	t->deadline = clock_ms() + t->files->section->handshake_timeout_ms + KTLS_SLACK_MS;
	return ktls_send_hello(t);
}

/* --- the signature --- */

/* The part of a signature blob that follows the name of the algorithm. */
static struct bytes
ktls_raw_signature(const struct buf *blob)
{
	struct bytes raw;
	struct wire w;

	wire_init(&w, blob->data, blob->len);
	(void)wire_string(&w);
	raw = wire_string(&w);
	return wire_end(&w) == 0 ? raw : (struct bytes){ NULL, 0 };
}

/* TLS_SIGN: once, and nothing but what a server signs in a handshake. */
static void
ktls_sign(struct ktls *t, struct wire *body)
{
	struct reason why = { "out of memory" };
	struct bytes tbs, raw;
	struct buf sig, b;
	char alg[64];
	int r;

	wire_text(body, alg, sizeof(alg));
	tbs = wire_string(body);
	if (wire_end(body) != 0 || t->has_signed || tbs.len > IPC_TLS_SIGNED_MAX ||
	    !tls_signed_ok(tbs, strncmp(alg, "rsa-sha2-", 9) == 0)) {
		ktls_broken(t,
		    t->has_signed ?
			"it asks for a second signature" :
			"it asks for a signature of something that is no TLS handshake");
		return;
	}
	t->has_signed = 1;
	buf_init(&sig, 8192);
	r = keystore_sign_with(t->snapshot->identity->keystore, t->files->section->key,
	    &t->files->sealed, alg, tbs.p, tbs.len, &sig, &why);
	if (r != 0) {
		log_error("[tls %s]: %s", t->files->section->name, why.text);
		t->excused = 1;
	}
	raw = r == 0 ? ktls_raw_signature(&sig) : (struct bytes){ NULL, 0 };
	ipc_begin(&b, IPC_TLS_SIGNATURE);
	wire_put_bool(&b, raw.len > 0);
	wire_put_bytes(&b, raw);
	(void)ktls_send(t, &b, -1);
	buf_free(&sig);
}

/* --- the end of the handshake --- */

static struct tls_facts *
tls_facts_new(struct ipc_tls_done *m)
{
	struct tls_facts *f = calloc(1, sizeof(*f));
	size_t i;

	if (f == NULL)
		return NULL;
	f->refs = 1;
	snprintf(f->version, sizeof(f->version), "%s", m->version);
	for (i = 0; i < m->fingerprint.len && i < 32; i++)
		snprintf(f->fingerprint + 2 * i, 3, "%02x", m->fingerprint.p[i]);
	snprintf(f->serial, sizeof(f->serial), "%s", m->serial);
	f->units = m->units;
	f->names = m->names;
	m->units = m->names = (struct strlist){ NULL, 0 };
	f->cn = strdup(m->cn);
	if (f->cn == NULL) {
		tls_facts_unref(&f);
		return NULL;
	}
	f->certificate = (struct lookup_certificate){ f->fingerprint, f->cn, &f->units, &f->names };
	return f;
}

void
tls_facts_unref(struct tls_facts **facts)
{
	struct tls_facts *old = *facts;

	*facts = NULL;
	if (old == NULL || --old->refs > 0)
		return;
	free(old->cn);
	strlist_free(&old->units);
	strlist_free(&old->names);
	free(old);
}

int
tls_facts_allow(const struct tls_facts *facts, const struct tls_files_list *list, const char *login,
    const char *host, const char *address, unsigned int *line)
{
	const struct tls_files *files = tls_files_find(list, facts->section);
	const struct client_rules_request q = { tls_facts_certificate(facts), login, host,
		address };

	*line = 0;
	/* a reload has taken the section away */
	if (files == NULL)
		return 0;
	if (files->rules == NULL)
		return 1;
	return q.certificate != NULL && client_rules_allow(files->rules, &q, line);
}

const struct lookup_certificate *
tls_facts_certificate(const struct tls_facts *f)
{
	return f == NULL || f->fingerprint[0] == '\0' ? NULL : &f->certificate;
}

/* One line of what has been shaken hands on. */
static void
ktls_log_done(const struct ktls *t)
{
	const struct tls_facts *d = t->facts;
	char cn[IPC_TLS_NAME_SIZE * 4 + 8], line[IPC_TLS_NAME_SIZE * 4 + 256] = "";
	struct log_fields f;

	log_vis(cn, sizeof(cn), d->cn, strlen(d->cn));
	if (d->fingerprint[0] != '\0')
		snprintf(line, sizeof(line), ", certificate CN=%s serial %s SHA256 %s", cn,
		    d->serial, d->fingerprint);
	log_fields_begin(&f, "tls");
	log_field_text(&f, "client", t->client);
	log_field_number(&f, "client_port", t->client_port);
	log_field_text(&f, "host", t->host);
	log_field_text(&f, "tls", t->files->section->name);
	log_field_text(&f, "version", d->version);
	log_field_text(&f, "client_certificate", d->fingerprint);
	log_field_text(&f, "client_cn", d->cn);
	log_event(LOG_LVL_INFO, &f, "TLS connection from %s port %u%s%s: %s%s", t->client,
	    t->client_port, t->host[0] == '\0' ? "" : " for host ", t->host, d->version, line);
}

/* 1 if ClientRules may let the client reach something; *raw: also without a login.  Else it is ended. */
static int
ktls_allowed(struct ktls *t, int *raw)
{
	const struct tls_files_list *list = &t->snapshot->tls;
	char why[KTLS_REASON_SIZE];
	unsigned int line;

	*raw = tls_facts_allow(t->facts, list, "", t->host, t->client, &line);
	if (tls_facts_allow(t->facts, list, NULL, t->host, t->client, &line))
		return 1;
	if (line == 0)
		snprintf(why, sizeof(why), "no rule of ClientRules allows the certificate CN=%s",
		    t->facts->cn);
	else
		snprintf(why, sizeof(why), "line %u of ClientRules denies the certificate CN=%s",
		    line, t->facts->cn);
	ktls_log_failed(t, why);
	tls_facts_unref(&t->facts);
	ktls_end(t);
	return 0;
}

/* TLS_DONE */
static void
ktls_done(struct ktls *t, struct wire *body)
{
	const int wanted = t->files->client_ca > 0;
	struct ipc_tls_done m;
	struct buf b;
	int raw;

	if (!t->has_signed || ipc_tls_done_get(body, &m) != 0) {
		ktls_broken(t, "a report of a handshake that was none");
		return;
	}
	if ((m.fingerprint.len > 0) == wanted)
		t->facts = tls_facts_new(&m);
	ipc_tls_done_free(&m);
	if (t->facts == NULL) {
		ktls_broken(t, "a report without the client's certificate");
		return;
	}
	snprintf(t->facts->section, sizeof(t->facts->section), "%s", t->files->section->name);
	if (!ktls_allowed(t, &raw))
		return;
	t->deadline = CLOCK_NEVER;
	ktls_log_done(t);
	/* what was read of the configuration is not kept for as long as the connection lasts */
	t->files = NULL;
	snapshot_unref(&t->snapshot);
	ipc_begin(&b, IPC_TLS_ACCEPTED);
	if (ktls_send(t, &b, -1) != 0)
		return;
	ipc_begin(&b, IPC_TLS_OPEN);
	wire_put_u64(&b, t->number);
	wire_put_bool(&b, raw);
	ktls_tell_master(t, &b);
}

/* TLS_FAILED */
static void
ktls_failed(struct ktls *t, struct wire *body)
{
	char why[KTLS_REASON_SIZE];

	wire_text(body, why, sizeof(why));
	if (wire_end(body) != 0) {
		ktls_broken(t, "unreadable message");
		return;
	}
	ktls_log_failed(t, why);
	ktls_end(t);
}

void
ktls_input(struct ktls *t)
{
	struct ipc_msg msg;
	int r;

	if (t->sock == -1)
		return;
	r = ipc_recv(t->sock, t->keeper->message, IPC_TLS_TO_KEEPER, IPC_PHASE_ANY, &msg);
	if (r == ERR_AGAIN)
		return;
	if (r == ERR_EOF) {
		ktls_end(t);
		return;
	}
	if (r != 0) {
		ktls_broken(t, err_str(r));
		return;
	}
	/* after the handshake there is nothing to say, and the files are gone */
	if (t->facts != NULL)
		ktls_broken(t, "a message after its handshake");
	else if (msg.type == IPC_TLS_SIGN)
		ktls_sign(t, &msg.body);
	else if (msg.type == IPC_TLS_DONE)
		ktls_done(t, &msg.body);
	else
		ktls_failed(t, &msg.body);
}

struct tls_facts *
ktls_facts(const struct keeper *k, uint64_t number)
{
	const struct ktls *t;

	TAILQ_FOREACH(t, &k->tls, entry)
		if (t->number == number)
			break;
	if (t == NULL || t->facts == NULL)
		return NULL;
	t->facts->refs++;
	return t->facts;
}
