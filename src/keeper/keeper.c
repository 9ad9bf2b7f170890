/*
 * The keeper's start, its loop, and the messages of the master.  cli/role.c calls keeper_run()
 * in the keeper's process.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "access/state_place.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/privs.h"
#include "base/secret.h"
#include "base/proctitle.h"
#include "keeper/confine.h"
#include "keeper/connect_password.h"
#include "keeper/downstream.h"
#include "keeper/keeper.h"
#include "keeper/master_link.h"
#include "keeper/decoy.h"
#include "keeper/ksession.h"
#include "keeper/ktls.h"
#include "transport/keys.h"

#define EXIT_CONFIG 78
#define EVENTS 64
/* How often the keeper looks for sessions and jobs that are overdue. */
#define SWEEP_MS 1000

/* --- reload --- */

/* Text in RELOADED: some hundred errors.  The host keys need the rest of the message. */
#define ANSWER_MAX (48 * 1024)

/* The text of RELOADED, cut to fit. */
static void
keeper_put_text(struct buf *b, const char *text, size_t len)
{
	wire_put_string(b, text, len > ANSWER_MAX ? ANSWER_MAX : len);
}

void
keeper_put_host_keys(struct buf *b, const struct identity *id)
{
	struct ipc_host_keys keys = { 0 };

	if (id != NULL)
		keys.n = identity_offer(id, time(NULL), keys.v, &keys.certificates);
	ipc_host_keys_put(b, &keys);
}

/* RELOAD: load a snapshot beside the one in force, and tell the master how that went. */
static void
keeper_reload(struct keeper *k)
{
	struct conf_errors errors = { 0 };
	char *text = NULL;
	size_t len = 0;
	struct buf b;
	FILE *f;
	int r;

	snapshot_unref(&k->next);
	r = snapshot_load(k->now->conf->dir, k->now, &k->next, &errors);
	/* a mistake that would refuse logins counts as well */
	if (r == 0) {
		lookup_check(k->next->lookup, k->next->conf, &errors);
		writable_check(k->writable, k->next->conf, &errors);
		r = errors.n > 0 ? ERR_CONFIG : 0;
	}
	f = open_memstream(&text, &len);
	if (f != NULL && r == 0)
		conf_gateway_dump(k->next->conf, f);
	else if (f != NULL)
		conf_errors_print(&errors, f);
	if (f == NULL || fclose(f) != 0 || (r == 0 && len > ANSWER_MAX))
		r = ERR_NOMEM;
	if (r != 0)
		snapshot_unref(&k->next);
	ipc_begin(&b, IPC_RELOADED);
	wire_put_bool(&b, r == 0);
	wire_put_u32(&b, (uint32_t)(r == 0 ? k->next->conf->n_routes : errors.n));
	keeper_put_text(&b, text == NULL ? "" : text, text == NULL ? 0 : len);
	keeper_put_host_keys(&b, r == 0 ? k->next->identity : NULL);
	free(text);
	conf_errors_free(&errors);
	if (master_link_send(k, &b, -1) != 0)
		log_error("reload: cannot reach the master");
}

/* Log each host certificate that is not offered to clients any more, or not yet, once: called when
 * it is put in force, and for each connection. */
static void
keeper_note_certificates(struct identity *id)
{
	struct host_certificate *c;
	struct reason why;

	for (c = id->certificates; c < id->certificates + id->n_certificates; c++) {
		if (c->told || identity_certificate_valid(c, time(NULL), &why))
			continue;
		c->told = 1;
		log_error("HostCertificate: %s; it is not offered to clients", why.text);
	}
}

/* Log what will go wrong with certificates that are in force from now on. */
static void
keeper_note_tls(const struct tls_files_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (list->v[i].note.text[0] != '\0')
			log_warn("[tls %s] %s", list->v[i].section->name, list->v[i].note.text);
}

/* COMMIT: what was loaded is in force now, or is to be forgotten. */
static void
keeper_commit(struct keeper *k, struct wire *body)
{
	int yes = wire_bool(body);
	struct ksession *s;

	if (wire_end(body) != 0 || k->next == NULL || !yes) {
		snapshot_unref(&k->next);
		return;
	}
	snapshot_unref(&k->now);
	k->now = k->next;
	k->next = NULL;
	conf_set_log(&k->now->conf->gateway);
	TAILQ_FOREACH(s, &k->sessions, entry)
		if (s->logged_in)
			ksession_follow(s);
	decoy_init(k);
	keeper_note_certificates(k->now->identity);
	keeper_note_tls(&k->now->tls);
}

int
keeper_ready(struct keeper *k)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &k->from_master };
	struct buf b;

	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll == -1 || epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->master, &event) == -1)
		return ERR_SYS;
	keeper_note_certificates(k->now->identity);
	keeper_note_tls(&k->now->tls);
	ipc_begin(&b, IPC_READY);
	keeper_put_host_keys(&b, k->now->identity);
	return ipc_send(k->master, &b, -1);
}

/* PING: that this is reached is the answer. */
static void
keeper_pong(struct keeper *k)
{
	struct buf b;

	ipc_begin(&b, IPC_PONG);
	if (master_link_send(k, &b, -1) != 0)
		log_error("cannot answer the master");
}

/* CHECK_PASSWORD */
static void
keeper_check_password(struct keeper *k, struct wire *body)
{
	const uint64_t number = wire_u64(body);
	const struct bytes credentials = wire_string(body);
	const char *name = "";
	struct buf b;

	if (wire_end(body) == 0)
		name = connect_password_name(k->now, credentials);
	sodium_memzero(k->message, sizeof(k->message));
	ipc_begin(&b, IPC_PASSWORD_CHECKED);
	wire_put_u64(&b, number);
	wire_put_text(&b, name);
	if (master_link_send(k, &b, -1) != 0)
		log_error("cannot answer the master");
}

/* CONNECTION: a new session, on the socket that comes with it. */
static void
keeper_connection(struct keeper *k, struct ipc_msg *msg)
{
	int r = ksession_new(k, msg->fd, &msg->body);

	keeper_note_certificates(k->now->identity);
	if (r != 0)
		log_error("new session: %s", err_str(r));
}

/* No new sessions come, and tunnels are for the next gateway. */
static void
keeper_master_leaves(struct keeper *k)
{
	if (!k->leaving)
		tunnels_over(k);
	k->leaving = 1;
}

/* 0, or ERR_BADSTATE for a message that has no handler. */
static int
keeper_dispatch(struct keeper *k, struct ipc_msg *msg)
{
	switch (msg->type) {
	case IPC_CONNECTION:
		keeper_connection(k, msg);
		return 0;
	case IPC_TLS_CONNECTION:
		if (ktls_new(k, msg->fd, &msg->body) != 0)
			log_error("new TLS connection: its [tls] section is gone, or there is no "
				  "memory");
		return 0;
	case IPC_RELOAD:
		keeper_reload(k);
		return 0;
	case IPC_COMMIT:
		keeper_commit(k, &msg->body);
		return 0;
	case IPC_CHECK_PASSWORD:
		keeper_check_password(k, &msg->body);
		return 0;
	case IPC_LEAVING:
		keeper_master_leaves(k);
		return 0;
	case IPC_PING:
		keeper_pong(k);
		return 0;
	case IPC_TUNNEL_BOUND:
		tunnel_bound(k, &msg->body);
		return 0;
	case IPC_TUNNEL_VISIT:
		tunnel_visit(k, msg);
		fd_close(&msg->fd);
		return 0;
	default:
		fd_close(&msg->fd);
		return ERR_BADSTATE;
	}
}

static void
keeper_master_input(struct keeper *k)
{
	struct ipc_msg msg;
	int r;

	r = ipc_recv(k->master, k->message, IPC_MASTER_TO_KEEPER, IPC_PHASE_ANY, &msg);
	if (r == ERR_AGAIN)
		return;
	if (r == ERR_NOFILE) {
		/* its session sees the socket close, and tells the client */
		log_error("cannot accept a connection: %s", err_str(r));
		return;
	}
	if (r == 0)
		r = keeper_dispatch(k, &msg);
	if (r == 0)
		return;
	if (r != ERR_EOF)
		log_error("message from the master: %s", err_str(r));
	/* without a master, sessions go on and no new ones come */
	fd_close(&k->master);
	master_link_drop(k);
	keeper_master_leaves(k);
}

/* The first from s on that is no hop: those end with their sessions. */
static struct ksession *
keeper_no_hop(struct ksession *s)
{
	while (s != NULL && s->link.parent != NULL)
		s = TAILQ_NEXT(s, entry);
	return s;
}

static void
keeper_sweep(struct keeper *k, int64_t now)
{
	struct ksession *s, *next;

	for (s = keeper_no_hop(TAILQ_FIRST(&k->sessions)); s != NULL; s = next) {
		next = keeper_no_hop(TAILQ_NEXT(s, entry));
		ksession_sweep(s, now);
	}
}

static void
keeper_reap(struct keeper *k)
{
	struct ksession *s;

	while ((s = TAILQ_FIRST(&k->ended)) != NULL) {
		TAILQ_REMOVE(&k->ended, s, entry);
		ksession_free(s);
	}
}

int
keeper_step(struct keeper *k, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	struct source *source;
	int64_t now;
	int i, n;

	n = epoll_wait(k->epoll, events, EVENTS, timeout_ms);
	for (i = 0; i < n; i++) {
		source = events[i].data.ptr;
		switch (source->kind) {
		case SOURCE_MASTER:
			master_link_flush(k);
			keeper_master_input(k);
			break;
		case SOURCE_SESSION:
			ksession_input(source->session);
			break;
		case SOURCE_ERRAND:
			jobs_input(source->place);
			break;
		case SOURCE_TLS:
			ktls_input(source->tls);
			break;
		}
	}
	now = clock_ms();
	if (now >= k->next_sweep) {
		keeper_sweep(k, now);
		ktls_sweep(k, now);
		jobs_sweep(k, now);
		k->next_sweep = now + SWEEP_MS;
	}
	jobs_start(k);
	keeper_reap(k);
	ktls_reap(k);
	return n;
}

static void
keeper_loop(struct keeper *k)
{
	while (k->master != -1 || !TAILQ_EMPTY(&k->sessions))
		(void)keeper_step(k,
		    TAILQ_EMPTY(&k->sessions) && TAILQ_EMPTY(&k->tls) ? -1 : SWEEP_MS);
}

void
keeper_init(struct keeper *k, int master)
{
	*k = (struct keeper){ .master = master, .epoll = -1 };
	TAILQ_INIT(&k->sessions);
	TAILQ_INIT(&k->ended);
	TAILQ_INIT(&k->tls);
	TAILQ_INIT(&k->tls_ended);
	master_link_init(k);
	k->from_master.kind = SOURCE_MASTER;
	jobs_init(k);
	tunnels_init(&k->tunnels);
	factor_times_init(&k->factor_times);
}

/* A lookup program or tree that is missing may be made later, and other logins do not need
 * it: no reason not to start. */
static void
keeper_warn_of_lookup(const struct snapshot *g)
{
	struct conf_errors errors = { 0 };
	char text[2048];
	size_t i;

	lookup_check(g->lookup, g->conf, &errors);
	for (i = 0; i < errors.n; i++) {
		log_vis(text, sizeof(text), errors.v[i].text, strlen(errors.v[i].text));
		log_warn("%s:%u: %s", errors.v[i].file, errors.v[i].line, text);
	}
	conf_errors_free(&errors);
}

/* Logins that need the state directory are refused as long as it cannot be written. */
static void
keeper_warn_of_state(const struct snapshot *g)
{
	struct reason why;

	if (state_place_need(g->conf) != NULL && state_check(g->state, &why) != 0)
		log_warn("StateDirectory: %s", why.text);
}

/* Warn once at the start, not at each secret. */
static void
keeper_lock_memory(void)
{
	int r = key_memory_lock();

	if (secret_memory_check() != 0 || r != 0)
		log_warn("keeper: memory cannot be locked: keys and passwords may be written to "
			 "swap space; allow at least 1 MiB (systemd: LimitMEMLOCK=, a shell: "
			 "ulimit -l)");
}

/* Become the user, and leave no core file with keys in it.  0, or an ERR_* that is logged. */
static int
keeper_drop_root(const char *run_as)
{
	const struct rlimit none = { 0, 0 };
	int r = privs_drop(run_as);

	/* after privs_drop(), as a change of user makes a process dumpable again */
	if (r == 0 && (prctl(PR_SET_DUMPABLE, 0) == -1 || setrlimit(RLIMIT_CORE, &none) == -1))
		r = ERR_SYS;
	if (r != 0)
		log_error("keeper: cannot become user %s: %s", run_as, err_str(r));
	return r;
}

int
keeper_run(int master, const char *conf_dir, const char *run_as)
{
	struct keeper k;
	struct conf_errors errors = { 0 };
	struct snapshot *early = NULL;
	int r;

	keeper_init(&k, master);
	proctitle_set("keeper");
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN); /* the keeper ends after the last session */
	signal(SIGPIPE, SIG_IGN);
	if (sodium_init() == -1)
		return 1;
	if (run_as != NULL && snapshot_unlock(conf_dir, &early, &errors) != 0) {
		conf_errors_print(&errors, stderr);
		return EXIT_CONFIG;
	}
	if (keeper_drop_root(run_as) != 0)
		return 1;
	umask(077);
	keeper_lock_memory();
	r = snapshot_load(conf_dir, early, &k.now, &errors);
	snapshot_unref(&early);
	conf_errors_print(&errors, stderr);
	conf_errors_free(&errors);
	if (r != 0)
		return EXIT_CONFIG;
	conf_set_log(&k.now->conf->gateway);
	keeper_warn_of_lookup(k.now);
	keeper_warn_of_state(k.now);
	decoy_init(&k);
	r = confine_enter(k.now->conf, &k.writable);
	if (r != 0) {
		log_error("keeper: cannot confine itself: %s", err_str(r));
		snapshot_unref(&k.now);
		return 1;
	}
	r = keeper_ready(&k);
	if (r != 0) {
		log_error("keeper: %s", err_str(r));
		return 1;
	}
	keeper_loop(&k);
	ktls_forget(&k);
	decoy_free(&k.decoy);
	snapshot_unref(&k.next);
	snapshot_unref(&k.now);
	writable_free(&k.writable);
	return 0;
}
