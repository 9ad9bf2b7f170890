/*
 * ipc/messages.c: a body is read as it was written; one that is cut or too long is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/messages.h"

static const struct ipc_algorithms algorithms = { "kex", "", "ciphers", "macs" };
static char one[] = "one", empty[] = "", three[] = "three";
static char *words[] = { one, empty, three, NULL };
static const struct strlist list = { words, 3 };

#define BYTES(text) ((struct bytes){ (const uint8_t *)(text), sizeof(text) - 1 })

static void
assert_bytes(struct bytes got, const char *expected)
{
	assert_true(bytes_is(got, expected));
}

static void
assert_list(const struct strlist *got)
{
	size_t i;

	assert_int_equal(got->n, list.n);
	for (i = 0; i < list.n; i++)
		assert_string_equal(got->v[i], list.v[i]);
	assert_null(got->v[list.n]);
}

static void
assert_algorithms(const struct ipc_algorithms *got)
{
	assert_string_equal(got->kex, algorithms.kex);
	assert_string_equal(got->host_keys, algorithms.host_keys);
	assert_string_equal(got->ciphers, algorithms.ciphers);
	assert_string_equal(got->macs, algorithms.macs);
}

/* For each message: put an example; get a body, and unless it is cut compare it with the example. */
struct pair {
	const char *name;
	void (*put)(struct buf *b);
	int (*get)(struct wire *body, int whole);
};

static void
put_bind(struct buf *b)
{
	ipc_bind_put(b,
	    &(struct ipc_bind){ .tunnel = 1ULL << 40,
		.host = "127.0.0.1",
		.first = 20000,
		.last = 20099,
		.wanted = 20005,
		.exact = 1 });
}

static int
get_bind(struct wire *body, int whole)
{
	struct ipc_bind m;
	int r = ipc_bind_get(body, &m);

	if (r == 0 && whole) {
		assert_int_equal(m.tunnel, 1ULL << 40);
		assert_string_equal(m.host, "127.0.0.1");
		assert_int_equal(m.first, 20000);
		assert_int_equal(m.last, 20099);
		assert_int_equal(m.wanted, 20005);
		assert_true(m.exact);
	}
	return r;
}

static void
put_visit(struct buf *b)
{
	ipc_visit_put(b,
	    &(struct ipc_visit){ .name = "web",
		.port = 80,
		.http = 1,
		.client = "192.0.2.1",
		.client_port = 1234 });
}

static int
get_visit(struct wire *body, int whole)
{
	struct ipc_visit m;
	int r = ipc_visit_get(body, &m);

	if (r == 0 && whole) {
		assert_string_equal(m.name, "web");
		assert_int_equal(m.port, 80);
		assert_true(m.http);
		assert_string_equal(m.client, "192.0.2.1");
		assert_int_equal(m.client_port, 1234);
	}
	return r;
}

static void
put_tunnelled(struct buf *b)
{
	ipc_tunnelled_put(b,
	    &(struct ipc_tunnelled){ .address = "web",
		.port = 80,
		.client = "192.0.2.1",
		.client_port = 1234,
		.name = "web" });
}

static int
get_tunnelled(struct wire *body, int whole)
{
	struct ipc_tunnelled m;
	int r = ipc_tunnelled_get(body, &m);

	if (r == 0 && whole) {
		assert_string_equal(m.address, "web");
		assert_int_equal(m.port, 80);
		assert_string_equal(m.client, "192.0.2.1");
		assert_int_equal(m.client_port, 1234);
		assert_string_equal(m.name, "web");
	}
	return r;
}

static void
put_connection(struct buf *b)
{
	ipc_connection_put(b,
	    &(struct ipc_connection){ .session = 1ULL << 40,
		.client = "192.0.2.1",
		.client_port = 1,
		.local = "2001:db8::1",
		.local_port = 22,
		.host = "vm1.example.org",
		.tls = 1ULL << 41 });
}

static int
get_connection(struct wire *body, int whole)
{
	struct ipc_connection m;
	int r = ipc_connection_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_int_equal(m.session, 1ULL << 40);
	assert_string_equal(m.client, "192.0.2.1");
	assert_int_equal(m.client_port, 1);
	assert_string_equal(m.local, "2001:db8::1");
	assert_int_equal(m.local_port, 22);
	assert_string_equal(m.host, "vm1.example.org");
	assert_int_equal(m.tls, 1ULL << 41);
	return 0;
}

static void
put_tls_connection(struct buf *b)
{
	ipc_tls_connection_put(b,
	    &(struct ipc_tls_connection){ .connection = 1ULL << 40,
		.section = "main",
		.host = "vm1.example.org",
		.client = "192.0.2.1",
		.client_port = 1,
		.local = "2001:db8::1",
		.local_port = 443 });
}

static int
get_tls_connection(struct wire *body, int whole)
{
	struct ipc_tls_connection m;
	int r = ipc_tls_connection_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_int_equal(m.connection, 1ULL << 40);
	assert_string_equal(m.section, "main");
	assert_string_equal(m.host, "vm1.example.org");
	assert_string_equal(m.client, "192.0.2.1");
	assert_int_equal(m.client_port, 1);
	assert_string_equal(m.local, "2001:db8::1");
	assert_int_equal(m.local_port, 443);
	return 0;
}

static void
put_tls_hello(struct buf *b)
{
	ipc_tls_hello_put(b,
	    &(struct ipc_tls_hello){ .chain = 3000,
		.client_ca = 2000,
		.client_crl = 1000,
		.only_13 = 1,
		.timeout_ms = 10000,
		.alpn = "ssh,http/1.1" });
}

static int
get_tls_hello(struct wire *body, int whole)
{
	struct ipc_tls_hello m;
	int r = ipc_tls_hello_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_int_equal(m.chain, 3000);
	assert_int_equal(m.client_ca, 2000);
	assert_int_equal(m.client_crl, 1000);
	assert_int_equal(m.only_13, 1);
	assert_int_equal(m.timeout_ms, 10000);
	assert_string_equal(m.alpn, "ssh,http/1.1");
	return 0;
}

static char *tls_words[] = { one, three, NULL };
static const struct strlist tls_names = { tls_words, 2 };

static void
put_tls_done(struct buf *b)
{
	ipc_tls_done_put(b,
	    &(struct ipc_tls_done){ .version = "TLSv1.3",
		.fingerprint = BYTES("12345678901234567890123456789012"),
		.serial = "0a",
		.cn = "alice",
		.units = tls_names,
		.names = tls_names });
}

static int
get_tls_done(struct wire *body, int whole)
{
	struct ipc_tls_done m;
	int r = ipc_tls_done_get(body, &m);

	if (r == 0 && whole) {
		assert_string_equal(m.version, "TLSv1.3");
		assert_bytes(m.fingerprint, "12345678901234567890123456789012");
		assert_string_equal(m.serial, "0a");
		assert_string_equal(m.cn, "alice");
		assert_int_equal(m.units.n, 2);
		assert_string_equal(m.units.v[1], "three");
		assert_int_equal(m.names.n, 2);
		assert_string_equal(m.names.v[0], "one");
	}
	if (r == 0)
		ipc_tls_done_free(&m);
	return r;
}

static void
put_opening(struct buf *b)
{
	ipc_opening_put(b,
	    &(struct ipc_opening){ .connection = 1ULL << 40,
		.kind = IPC_KIND_CONNECT,
		.host = "vm1.example.org",
		.port = 22,
		.alpn = "h2,http/1.1",
		.pattern = 3,
		.credentials = BYTES("user:password") });
}

static int
get_opening(struct wire *body, int whole)
{
	struct ipc_opening m;
	int r = ipc_opening_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_int_equal(m.connection, 1ULL << 40);
	assert_int_equal(m.kind, IPC_KIND_CONNECT);
	assert_string_equal(m.host, "vm1.example.org");
	assert_int_equal(m.port, 22);
	assert_string_equal(m.alpn, "h2,http/1.1");
	assert_int_equal(m.pattern, 3);
	assert_bytes(m.credentials, "user:password");
	return 0;
}

static void
put_forward(struct buf *b)
{
	ipc_forward_put(b,
	    &(struct ipc_forward){ .connection = 1ULL << 40,
		.name = "web",
		.client = "192.0.2.1",
		.client_port = 1,
		.host = "www.example.org",
		.idle_ms = 1000 });
}

static int
get_forward(struct wire *body, int whole)
{
	struct ipc_forward m;
	int r = ipc_forward_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_int_equal(m.connection, 1ULL << 40);
	assert_string_equal(m.name, "web");
	assert_string_equal(m.client, "192.0.2.1");
	assert_int_equal(m.client_port, 1);
	assert_string_equal(m.host, "www.example.org");
	assert_int_equal(m.idle_ms, 1000);
	return 0;
}

static const struct ipc_approach approach = { .via = "socks5",
	.via_host = "proxy",
	.via_port = 1080,
	.via_user = "user",
	.via_password = { (const uint8_t *)"password", 8 },
	.via_ca = { (const uint8_t *)"ca", 2 },
	.send_proxy = 2,
	.client = "192.0.2.1",
	.client_port = 1,
	.local = "2001:db8::1",
	.local_port = 22,
	.srv = 1 };

static void
assert_approach(const struct ipc_approach *got)
{
	assert_string_equal(got->via, "socks5");
	assert_string_equal(got->via_host, "proxy");
	assert_int_equal(got->via_port, 1080);
	assert_string_equal(got->via_user, "user");
	assert_bytes(got->via_password, "password");
	assert_bytes(got->via_ca, "ca");
	assert_int_equal(got->send_proxy, 2);
	assert_string_equal(got->client, "192.0.2.1");
	assert_int_equal(got->client_port, 1);
	assert_string_equal(got->local, "2001:db8::1");
	assert_int_equal(got->local_port, 22);
	assert_true(got->srv);
}

static void
put_dial(struct buf *b)
{
	ipc_dial_put(b,
	    &(struct ipc_dial){ .session = 7,
		.timeout_ms = 1000,
		.port = 22,
		.hosts = list,
		.approach = approach,
		.known = "192.0.2.9" });
}

static int
get_dial(struct wire *body, int whole)
{
	struct ipc_dial m;
	int r = ipc_dial_get(body, &m);

	if (r != 0)
		return r;
	if (whole) {
		assert_int_equal(m.session, 7);
		assert_int_equal(m.timeout_ms, 1000);
		assert_int_equal(m.port, 22);
		assert_list(&m.hosts);
		assert_approach(&m.approach);
		assert_string_equal(m.known, "192.0.2.9");
	}
	strlist_free(&m.hosts);
	return 0;
}

static void
put_run(struct buf *b)
{
	ipc_run_put(b,
	    &(struct ipc_run){ .session = 7,
		.timeout_ms = 1000,
		.argv = list,
		.env = list,
		.fixed = list });
}

static int
get_run(struct wire *body, int whole)
{
	struct ipc_run m;
	int r = ipc_run_get(body, &m);

	if (r != 0)
		return r;
	if (whole) {
		assert_int_equal(m.session, 7);
		assert_int_equal(m.timeout_ms, 1000);
		assert_list(&m.argv);
		assert_list(&m.env);
		assert_null(m.closed.v);
		assert_list(&m.fixed);
	}
	ipc_run_free(&m);
	return 0;
}

static void
put_ran(struct buf *b)
{
	ipc_ran_put(b,
	    &(struct ipc_ran){ .failure = "killed",
		.status = 3,
		.out = BYTES("out\0put"),
		.said = "said" });
}

static int
get_ran(struct wire *body, int whole)
{
	struct ipc_ran m;
	int r = ipc_ran_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_string_equal(m.failure, "killed");
	assert_int_equal(m.status, 3);
	assert_int_equal(m.out.len, 7);
	assert_memory_equal(m.out.p, "out\0put", 7);
	assert_string_equal(m.said, "said");
	return 0;
}

static void
put_factor_ask(struct buf *b)
{
	ipc_factor_ask_put(b,
	    &(struct ipc_factor_ask){ .info = BYTES("two\nlines"),
		.n = 2,
		.questions = { { 1, BYTES("Token") }, { 0, BYTES("P\0N") } } });
}

static int
get_factor_ask(struct wire *body, int whole)
{
	struct ipc_factor_ask m;
	int r = ipc_factor_ask_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_bytes(m.info, "two\nlines");
	assert_int_equal(m.n, 2);
	assert_true(m.questions[0].echo);
	assert_bytes(m.questions[0].text, "Token");
	assert_false(m.questions[1].echo);
	assert_int_equal(m.questions[1].text.len, 3);
	return 0;
}

static void
put_ca_sign(struct buf *b)
{
	ipc_ca_sign_put(b,
	    &(struct ipc_ca_sign){ .timeout_ms = 1,
		.path = "/run/agent",
		.ca = { (const uint8_t *)"ca", 2 },
		.alg = "ssh-ed25519",
		.data = { (const uint8_t *)"data", 4 } });
}

static int
get_ca_sign(struct wire *body, int whole)
{
	struct ipc_ca_sign m;
	int r = ipc_ca_sign_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_int_equal(m.timeout_ms, 1);
	assert_string_equal(m.path, "/run/agent");
	assert_true(bytes_is(m.ca, "ca"));
	assert_string_equal(m.alg, "ssh-ed25519");
	assert_true(bytes_is(m.data, "data"));
	return 0;
}

static void
put_look(struct buf *b)
{
	char name[] = "*.example", *destinations[] = { name };

	ipc_look_put(b,
	    &(struct ipc_look){ .connect_ms = 1,
		.total_ms = 2,
		.port = 22,
		.trial = 1,
		.host = "host",
		.algorithms = algorithms,
		.approach = approach,
		.destinations = { destinations, 1 } });
}

static int
get_look(struct wire *body, int whole)
{
	struct ipc_look m;
	int r = ipc_look_get(body, &m);

	if (r == 0 && !whole)
		ipc_look_free(&m);
	if (r != 0 || !whole)
		return r;
	assert_int_equal(m.destinations.n, 1);
	assert_string_equal(m.destinations.v[0], "*.example");
	ipc_look_free(&m);
	assert_int_equal(m.connect_ms, 1);
	assert_int_equal(m.total_ms, 2);
	assert_int_equal(m.port, 22);
	assert_true(m.trial);
	assert_string_equal(m.host, "host");
	assert_algorithms(&m.algorithms);
	assert_approach(&m.approach);
	return 0;
}

static const struct ipc_host_key host_key = { .alg = "ssh-ed25519",
	.hash = { (const uint8_t *)"hash", 4 },
	.blob = { (const uint8_t *)"blob", 4 },
	.sig = { (const uint8_t *)"signature", 9 } };

static void
assert_host_key(const struct ipc_host_key *got)
{
	assert_string_equal(got->alg, "ssh-ed25519");
	assert_bytes(got->hash, "hash");
	assert_bytes(got->blob, "blob");
	assert_bytes(got->sig, "signature");
}

static void
put_host_key(struct buf *b)
{
	ipc_host_key_put(b, &host_key);
}

static int
get_host_key(struct wire *body, int whole)
{
	struct ipc_host_key m;
	int r = ipc_host_key_get(body, &m);

	if (r == 0 && whole)
		assert_host_key(&m);
	return r;
}

static void
put_looked(struct buf *b)
{
	ipc_looked_put(b,
	    &(struct ipc_looked){ .address = "192.0.2.1",
		.version = "SSH-2.0-x",
		.reason = "why",
		.hostbound = 1,
		.key = host_key });
}

static int
get_looked(struct wire *body, int whole)
{
	struct ipc_looked m;
	int r = ipc_looked_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_string_equal(m.address, "192.0.2.1");
	assert_string_equal(m.version, "SSH-2.0-x");
	assert_string_equal(m.reason, "why");
	assert_true(m.hostbound);
	assert_host_key(&m.key);
	return 0;
}

static void
put_queried(struct buf *b)
{
	ipc_queried_put(b,
	    &(struct ipc_queried){ .taken = IPC_TAKEN_CERTIFICATE,
		.methods = "publickey",
		.sig_algs = "ssh-ed25519",
		.reason = "why" });
}

static int
get_queried(struct wire *body, int whole)
{
	struct ipc_queried m;
	int r = ipc_queried_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_int_equal(m.taken, IPC_TAKEN_CERTIFICATE);
	assert_string_equal(m.methods, "publickey");
	assert_string_equal(m.sig_algs, "ssh-ed25519");
	assert_string_equal(m.reason, "why");
	return 0;
}

static void
put_upstream_fd(struct buf *b)
{
	ipc_upstream_fd_put(b,
	    &(struct ipc_upstream_fd){ .title = "alice -> host",
		.algorithms = algorithms,
		.alive_interval_ms = 5,
		.login_ms = 6,
		.patient = 1 });
}

static int
get_upstream_fd(struct wire *body, int whole)
{
	struct ipc_upstream_fd m;
	int r = ipc_upstream_fd_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_string_equal(m.title, "alice -> host");
	assert_algorithms(&m.algorithms);
	assert_int_equal(m.alive_interval_ms, 5);
	assert_int_equal(m.login_ms, 6);
	assert_true(m.patient);
	return 0;
}

static void
put_hop(struct buf *b)
{
	ipc_hop_put(b,
	    &(struct ipc_hop){ .session = 1ULL << 40,
		.title = "bastion -> vm7 for alice",
		.alive_max = 3,
		.rekey_ms = 1000,
		.rekey_bytes = 1ULL << 33 });
}

static int
get_hop(struct wire *body, int whole)
{
	struct ipc_hop m;
	int r = ipc_hop_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_int_equal(m.session, 1ULL << 40);
	assert_string_equal(m.title, "bastion -> vm7 for alice");
	assert_int_equal(m.alive_max, 3);
	assert_int_equal(m.rekey_ms, 1000);
	assert_int_equal(m.rekey_bytes, 1ULL << 33);
	return 0;
}

static void
put_carry(struct buf *b)
{
	ipc_carry_put(b, &(struct ipc_carry){ .timeout_ms = 10000, .port = 22, .hosts = list });
}

static int
get_carry(struct wire *body, int whole)
{
	struct ipc_carry m;
	int r = ipc_carry_get(body, &m);

	if (r != 0 || !whole) {
		if (r == 0)
			strlist_free(&m.hosts);
		return r;
	}
	assert_int_equal(m.timeout_ms, 10000);
	assert_int_equal(m.port, 22);
	assert_list(&m.hosts);
	strlist_free(&m.hosts);
	return 0;
}

static void
put_end(struct buf *b)
{
	ipc_end_put(b,
	    &(struct ipc_end){ .reason = "reason",
		.from_client = 1ULL << 40,
		.to_client = 2,
		.how = IPC_END_DISCONNECT,
		.code = 11,
		.text = "text" });
}

static int
get_end(struct wire *body, int whole)
{
	struct ipc_end m;
	int r = ipc_end_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_string_equal(m.reason, "reason");
	assert_int_equal(m.from_client, 1ULL << 40);
	assert_int_equal(m.to_client, 2);
	assert_int_equal(m.how, IPC_END_DISCONNECT);
	assert_int_equal(m.code, 11);
	assert_string_equal(m.text, "text");
	return 0;
}

static void
put_host_keys(struct buf *b)
{
	ipc_host_keys_put(b,
	    &(struct ipc_host_keys){ .v = { BYTES("certificate"), BYTES("key"), BYTES("") },
		.n = 3,
		.certificates = 1 });
}

static int
get_host_keys(struct wire *body, int whole)
{
	struct ipc_host_keys m;
	int r = ipc_host_keys_get(body, &m);

	if (r != 0 || !whole)
		return r;
	assert_int_equal(m.n, 3);
	assert_int_equal(m.certificates, 1);
	assert_bytes(m.v[0], "certificate");
	assert_bytes(m.v[1], "key");
	assert_bytes(m.v[2], "");
	return 0;
}

static void
test_host_keys_have_a_limit(void **state)
{
	struct ipc_host_keys m = { .n = IPC_HOST_KEYS_MAX, .certificates = IPC_HOST_KEYS_MAX + 1 };
	struct wire body;
	struct buf b;

	buf_init(&b, IPC_MAX);
	ipc_host_keys_put(&b, &m);
	wire_init(&body, b.data, b.len);
	assert_int_equal(ipc_host_keys_get(&body, &m), ERR_FORMAT);
	b.data[3] = 0;
	wire_init(&body, b.data, b.len);
	assert_int_equal(ipc_host_keys_get(&body, &m), 0);
	b.data[7]++;
	wire_put_text(&b, "");
	wire_init(&body, b.data, b.len);
	assert_int_equal(ipc_host_keys_get(&body, &m), ERR_FORMAT);
	buf_free(&b);
}

static void
test_kinds_and_ports_that_do_not_exist(void **state)
{
	struct ipc_opening m = { .kind = IPC_KINDS, .host = "", .alpn = "" };
	struct wire body;
	struct buf b;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		buf_init(&b, IPC_MAX);
		ipc_opening_put(&b, &m);
		wire_init(&body, b.data, b.len);
		assert_int_equal(ipc_opening_get(&body, &m), i < 2 ? ERR_FORMAT : 0);
		m = (struct ipc_opening){ .host = "", .alpn = "", .port = i == 0 ? 65536 : 0 };
		buf_free(&b);
	}
}

static const struct pair pairs[] = {
	{ "HELLO", put_host_keys, get_host_keys },
	{ "CONNECTION", put_connection, get_connection },
	{ "TUNNEL_BIND", put_bind, get_bind },
	{ "TUNNEL_VISIT", put_visit, get_visit },
	{ "TUNNEL_CONNECTION", put_tunnelled, get_tunnelled },
	{ "TLS_CONNECTION", put_tls_connection, get_tls_connection },
	{ "TLS_HELLO", put_tls_hello, get_tls_hello },
	{ "TLS_DONE", put_tls_done, get_tls_done },
	{ "KIND", put_opening, get_opening },
	{ "FORWARD", put_forward, get_forward },
	{ "DIAL", put_dial, get_dial },
	{ "RUN", put_run, get_run },
	{ "RAN", put_ran, get_ran },
	{ "FACTOR_ASK", put_factor_ask, get_factor_ask },
	{ "CA_SIGN", put_ca_sign, get_ca_sign },
	{ "LOOK", put_look, get_look },
	{ "HOST_KEY", put_host_key, get_host_key },
	{ "LOOKED", put_looked, get_looked },
	{ "QUERIED", put_queried, get_queried },
	{ "UPSTREAM_FD", put_upstream_fd, get_upstream_fd },
	{ "HOP", put_hop, get_hop },
	{ "CARRY", put_carry, get_carry },
	{ "END", put_end, get_end },
};

#define PAIRS (sizeof(pairs) / sizeof(pairs[0]))

/* A copy of exactly this size, so that sanitizers see a read beyond it. */
static int
get_copy(const struct pair *pair, const struct buf *b, size_t len, int whole)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	struct wire body;
	int r;

	assert_non_null(copy);
	memcpy(copy, b->data, len < b->len ? len : b->len);
	if (len > b->len)
		memset(copy + b->len, 0, len - b->len);
	wire_init(&body, copy, len);
	r = pair->get(&body, whole);
	free(copy);
	return r;
}

static void
test_round_trip(void **state)
{
	struct buf b;
	size_t i;

	for (i = 0; i < PAIRS; i++) {
		buf_init(&b, IPC_MAX);
		pairs[i].put(&b);
		assert_int_equal(buf_err(&b), 0);
		assert_int_equal(get_copy(&pairs[i], &b, b.len, 1), 0);
		buf_free(&b);
	}
}

static void
test_cut_anywhere(void **state)
{
	struct buf b;
	size_t i, len;

	for (i = 0; i < PAIRS; i++) {
		buf_init(&b, IPC_MAX);
		pairs[i].put(&b);
		for (len = 0; len < b.len; len++)
			if (get_copy(&pairs[i], &b, len, 0) != ERR_FORMAT)
				fail_msg("%s of %zu bytes", pairs[i].name, len);
		assert_int_equal(get_copy(&pairs[i], &b, b.len + 1, 0), ERR_FORMAT);
		buf_free(&b);
	}
}

/* Any byte may be another one: a body is read or refused, and nothing else happens. */
static void
test_other_bytes(void **state)
{
	static const uint8_t others[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	struct buf b;
	size_t i, j, at;
	uint8_t was;

	for (i = 0; i < PAIRS; i++) {
		buf_init(&b, IPC_MAX);
		pairs[i].put(&b);
		for (at = 0; at < b.len; at++) {
			was = b.data[at];
			for (j = 0; j < sizeof(others); j++) {
				b.data[at] = others[j];
				(void)get_copy(&pairs[i], &b, b.len, 0);
			}
			b.data[at] = was;
		}
		buf_free(&b);
	}
}

/* A text has no NUL, and is not longer than its kind may be. */
static void
test_texts(void **state)
{
	struct ipc_host_key m, got;
	struct wire body;
	char alg[66];
	struct buf b;
	size_t len;

	for (len = 60; len < 66; len++) {
		memset(alg, 'a', sizeof(alg));
		alg[len] = '\0';
		m = host_key;
		m.alg = alg;
		buf_init(&b, IPC_MAX);
		ipc_host_key_put(&b, &m);
		wire_init(&body, b.data, b.len);
		assert_int_equal(ipc_host_key_get(&body, &got), len < 64 ? 0 : ERR_FORMAT);
		b.data[4] = '\0';
		wire_init(&body, b.data, b.len);
		assert_int_equal(ipc_host_key_get(&body, &got), ERR_FORMAT);
		buf_free(&b);
	}
}

/* No more hosts than the errand tries. */
static void
test_lists(void **state)
{
	char *hosts[IPC_HOSTS_MAX + 1];
	struct ipc_dial m = { .hosts.v = hosts, .approach = approach }, got;
	struct wire body;
	struct buf b;
	size_t i;

	for (i = 0; i <= IPC_HOSTS_MAX; i++)
		hosts[i] = one;
	for (m.hosts.n = IPC_HOSTS_MAX; m.hosts.n <= IPC_HOSTS_MAX + 1; m.hosts.n++) {
		buf_init(&b, IPC_MAX);
		ipc_dial_put(&b, &m);
		wire_init(&body, b.data, b.len);
		assert_int_equal(ipc_dial_get(&body, &got),
		    m.hosts.n <= IPC_HOSTS_MAX ? 0 : ERR_FORMAT);
		if (m.hosts.n <= IPC_HOSTS_MAX)
			strlist_free(&got.hosts);
		buf_free(&b);
	}
}

/* No more questions, and no longer texts, than a client is shown. */
static void
test_questions(void **state)
{
	static char text[IPC_INSTRUCTIONS_MAX + 1];
	const struct {
		uint32_t n;
		size_t info, question;
		int result;
	} cases[] = {
		{ 0, IPC_INSTRUCTIONS_MAX, 0, 0 },
		{ 0, IPC_INSTRUCTIONS_MAX + 1, 0, ERR_FORMAT },
		{ IPC_QUESTIONS_MAX, 0, IPC_QUESTION_MAX, 0 },
		{ 1, 0, IPC_QUESTION_MAX + 1, ERR_FORMAT },
	};
	struct ipc_factor_ask m, got;
	struct wire body;
	struct buf b;
	size_t i, j;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		m = (struct ipc_factor_ask){ .n = cases[i].n };
		m.info = (struct bytes){ (uint8_t *)text, cases[i].info };
		for (j = 0; j < m.n; j++)
			m.questions[j].text = (struct bytes){ (uint8_t *)text, cases[i].question };
		buf_init(&b, IPC_MAX);
		ipc_factor_ask_put(&b, &m);
		wire_init(&body, b.data, b.len);
		assert_int_equal(ipc_factor_ask_get(&body, &got), cases[i].result);
		buf_free(&b);
	}
	buf_init(&b, IPC_MAX);
	wire_put_text(&b, "");
	wire_put_u32(&b, IPC_QUESTIONS_MAX + 1);
	wire_init(&body, b.data, b.len);
	assert_int_equal(ipc_factor_ask_get(&body, &got), ERR_FORMAT);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_keys_have_a_limit),
		cmocka_unit_test(test_kinds_and_ports_that_do_not_exist),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_other_bytes),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
