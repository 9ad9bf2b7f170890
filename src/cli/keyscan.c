/*
 * A trial connection for `sallyport route --dial`: the gateway's own errand that looks at host keys
 * (errand/look.c) does the talking, and what the host has shown is judged here.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/keyscan.h"
#include "cli/trial_errand.h"
#include "ipc/messages.h"

#define KEYSCAN_KEY_MAX 8192 /* a session takes no larger ones */

/* The errand keeps to its times itself; this is for one that does not. */
#define KEYSCAN_SLACK_MS 3000

/* Begin the order, which is freed by the caller. */
static void
keyscan_order(struct keyscan *t, int64_t connect_ms, struct buf *b)
{
	const struct route *r = t->route;
	struct ipc_look look = {
		.connect_ms = (uint32_t)connect_ms,
		.total_ms = (uint32_t)(connect_ms + r->connect_timeout_ms),
		.port = r->port,
		.trial = 1,
		.host = t->host,
		.approach = { .via = t->via->scheme,
		    .via_host = t->via->host,
		    .via_port = t->via->port,
		    .via_user = t->via->user,
		    .via_ca = t->via_ca,
		    .send_proxy = (unsigned int)r->send_proxy,
		    .client = "",
		    .local = "",
		    .srv = r->resolve_srv },
		.destinations = r->destinations,
	};
	struct buf host_keys;
	const char *list;

	buf_init(&host_keys, HOST_KEY_ALGORITHMS_MAX);
	t->known = host_key_known_new(r, t->host);
	host_key_algorithms(r, t->host, t->known, &host_keys);
	list = buf_cstr(&host_keys);
	look.algorithms = (struct ipc_algorithms){
		.kex = r->kex_algorithms != NULL ? r->kex_algorithms : "",
		.host_keys = list != NULL ? list : "",
		.ciphers = r->ciphers != NULL ? r->ciphers : "",
		.macs = r->macs != NULL ? r->macs : "",
	};
	if (t->via_password != NULL)
		look.approach.via_password = (struct bytes){ secret_open(t->via_password),
			secret_len(t->via_password) };
	ipc_begin(b, IPC_LOOK);
	ipc_look_put(b, &look);
	if (t->via_password != NULL)
		secret_close(t->via_password);
	buf_free(&host_keys);
}

/* The answer to the order.  0 or ERR_FORMAT. */
static int
keyscan_take(struct keyscan *t, struct ipc_msg *msg)
{
	struct host_key_shown shown = { .route = t->route, .host = t->host, .known = t->known };
	struct ipc_looked looked;

	if (msg->type == IPC_DIAL_FAILED) {
		wire_text(&msg->body, t->reason, sizeof(t->reason));
		return wire_err(&msg->body);
	}
	if (msg->type != IPC_LOOKED || ipc_looked_get(&msg->body, &looked) != 0)
		return ERR_FORMAT;
	t->connected = 1;
	snprintf(t->address, sizeof(t->address), "%s", looked.address);
	snprintf(t->version, sizeof(t->version), "%s", looked.version);
	snprintf(t->reason, sizeof(t->reason), "%s", looked.reason);
	t->hostbound = looked.hostbound;
	if (looked.key.blob.len > 0) {
		t->shown = 1;
		shown.alg = looked.key.alg;
		shown.hash = looked.key.hash;
		shown.blob = looked.key.blob;
		shown.sig = looked.key.sig;
		buf_put(&t->blob, shown.blob.p, shown.blob.len);
		host_key_judge(&shown, &t->judgement);
	}
	/* without a key all is not well */
	return buf_err(&t->blob) != 0 || (!t->shown && looked.reason[0] == '\0') ? ERR_FORMAT : 0;
}

/* Does the host get to hear of the mapped key? */
static int
keyscan_may_query(const struct keyscan *t)
{
	return t->user != NULL && t->shown && t->reason[0] == '\0' &&
	    t->judgement.verdict == HOST_KEY_KNOWN;
}

/* Also with nothing to ask: the errand then ends the connection, as it does after its answer. */
static int
keyscan_query(struct keyscan *t, struct trial_errand *errand, int64_t deadline)
{
	const int may = keyscan_may_query(t);
	const struct bytes nothing = { 0 };
	struct ipc_msg msg;
	struct buf b;
	int r;

	ipc_begin(&b, IPC_QUERY);
	wire_put_text(&b, may ? t->user : "");
	wire_put_bytes(&b, may ? t->certificate : nothing);
	wire_put_bytes(&b, may ? t->public : nothing);
	r = ipc_send(errand->sock, &b, -1);
	if (r == 0)
		r = trial_errand_receive(errand, IPC_PHASE_UPSTREAM_KEX, deadline, &msg);
	if (r == 0 && msg.type != IPC_QUERIED)
		r = ERR_FORMAT;
	if (r == 0)
		r = ipc_queried_get(&msg.body, &t->answer);
	t->queried = r == 0 && may;
	return r;
}

static int
keyscan_answer(struct keyscan *t, struct trial_errand *errand, int64_t deadline)
{
	struct ipc_msg msg;
	int r;

	r = trial_errand_receive(errand, IPC_PHASE_UPSTREAM_KEX, deadline, &msg);
	if (r == 0)
		r = keyscan_take(t, &msg);
	if (r == 0 && t->shown && t->reason[0] == '\0')
		r = keyscan_query(t, errand, deadline);
	return r;
}

int
keyscan_run(struct keyscan *t, int64_t connect_ms)
{
	const int64_t deadline = clock_ms() + connect_ms + t->route->connect_timeout_ms +
	    KEYSCAN_SLACK_MS;
	struct trial_errand errand;
	struct buf order;
	int r;

	buf_init(&t->blob, KEYSCAN_KEY_MAX);
	keyscan_order(t, connect_ms, &order);
	r = trial_errand_start(&errand, t->as, "role-look", &order);
	if (r == 0)
		r = keyscan_answer(t, &errand, deadline);
	trial_errand_end(&errand, t->as);
	return r;
}

void
keyscan_free(struct keyscan *t)
{
	if (t->shown)
		host_key_judgement_free(&t->judgement);
	host_key_known_free(&t->known);
	buf_free(&t->blob);
}
