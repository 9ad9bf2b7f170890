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

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/privs.h"
#include "base/title.h"
#include "keeper/check.h"
#include "keeper/keeper.h"
#include "keeper/unknown.h"
#include "keeper/ward.h"

#define EXIT_CONFIG 78
#define BANNER_MAX (16 * 1024)
#define EVENTS 64
/* How often wards that overstay are looked for. */
#define SWEEP_MS 1000

int
keeper_read_file(const char *path, struct buf *b)
{
	struct stat st;
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return ERR_SYS;
	if (fstat(fd, &st) == -1)
		r = ERR_SYS;
	else if (!S_ISREG(st.st_mode))
		r = ERR_FORMAT;
	else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		r = ERR_PERM;
	else
		r = fd_read_all(fd, b);
	fd_close(&fd);
	return r;
}

static int
load_host_keys(struct keeper *k)
{
	const struct strlist *names = &k->conf->gateway.host_keys;
	struct keystore_why why;
	struct host_key *key;
	size_t i;

	if (names->n > KEEPER_HOST_KEYS_MAX) {
		log_error("HostKey: at most one each of ed25519, ecdsa and rsa");
		return ERR_CONFIG;
	}
	for (i = 0; i < names->n; i++) {
		key = &k->host_keys[k->n_host_keys];
		buf_init(&key->blob, 16384);
		if (keystore_public(k->keystore, names->v[i], &key->blob, key->type, &why) != 0) {
			log_error("HostKey %s: %s", names->v[i], why.text);
			return ERR_CONFIG;
		}
		key->name = names->v[i];
		k->n_host_keys++;
	}
	return 0;
}

static int
load_banner(struct keeper *k)
{
	const char *path = k->conf->gateway.banner;
	struct buf b;
	int r;

	if (path == NULL)
		return 0;
	buf_init(&b, BANNER_MAX);
	r = keeper_read_file(path, &b);
	if (r == 0 && buf_cstr(&b) == NULL)
		r = ERR_FORMAT;
	if (r == 0)
		k->banner = strdup((const char *)b.data);
	else
		log_error("Banner %s: %s", path, err_str(r));
	buf_free(&b);
	return r == 0 ? 0 : ERR_CONFIG;
}

/* All that can be wrong before serving is found here, and said. */
static int
load(struct keeper *k, const char *conf_dir)
{
	struct conf_errors errors = { 0 };
	struct keystore_why why;
	int r;

	r = conf_load(conf_dir, CONF_ALL, &k->conf, &errors);
	if (r == 0)
		r = lookup_new(k->conf, &errors, &k->lookup);
	if (errors.n > 0)
		conf_errors_print(&errors, stderr);
	conf_errors_free(&errors);
	if (r != 0)
		return ERR_CONFIG;
	r = keystore_open(k->conf->keystore.path, k->conf->keystore.unlock, 0, &k->keystore, &why);
	if (r != 0) {
		log_error("%s", why.text);
		return ERR_CONFIG;
	}
	r = load_host_keys(k);
	if (r == 0)
		r = load_banner(k);
	if (r == 0)
		unknown_init(k);
	return r;
}

static int
watch_master(struct keeper *k, struct source *source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };
	struct buf b;

	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll == -1 || epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->master, &event) == -1)
		return ERR_SYS;
	ipc_begin(&b, IPC_READY);
	return ipc_send(k->master, &b, -1);
}

static void
master_input(struct keeper *k)
{
	struct ipc_msg msg;
	int r;

	r = ipc_recv(k->master, k->message, IPC_MASTER_TO_KEEPER, IPC_PHASE_ANY, &msg);
	if (r == ERR_AGAIN)
		return;
	if (r == 0) {
		r = ward_new(k, msg.fd, &msg.body);
		if (r != 0)
			log_error("new session: %s", err_str(r));
		return;
	}
	if (r != ERR_EOF)
		log_error("message of the master: %s", err_str(r));
	/* gone, or not to be understood: what runs goes on, nothing new comes */
	fd_close(&k->master);
}

static void
sweep(struct keeper *k, int64_t now)
{
	struct ward *w, *next;

	for (w = TAILQ_FIRST(&k->wards); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (w->logged_in || now < w->deadline)
			continue;
		log_warn("session %04jx: overstays LoginGraceTime, cut", (uintmax_t)w->id);
		ward_end(w);
	}
}

static void
reap(struct keeper *k)
{
	struct ward *w;

	while ((w = TAILQ_FIRST(&k->ended)) != NULL) {
		TAILQ_REMOVE(&k->ended, w, entry);
		ward_free(w);
	}
}

static void
keeper_loop(struct keeper *k)
{
	struct epoll_event events[EVENTS];
	int64_t now, next_sweep = 0;
	struct source *source;
	int i, n;

	while (k->master != -1 || !TAILQ_EMPTY(&k->wards)) {
		n = epoll_wait(k->epoll, events, EVENTS, TAILQ_EMPTY(&k->wards) ? -1 : SWEEP_MS);
		for (i = 0; i < n; i++) {
			source = events[i].data.ptr;
			if (source->kind == SOURCE_MASTER)
				master_input(k);
			else if (source->kind == SOURCE_WARD)
				ward_session_input(source->ward);
			else if (source->kind == SOURCE_CHECK)
				check_input(source->check);
			else
				ward_errand_input(source->ward);
		}
		now = clock_ms();
		if (now >= next_sweep) {
			sweep(k, now);
			next_sweep = now + SWEEP_MS;
		}
		reap(k);
	}
}

int
keeper_run(int master, const char *conf_dir, const char *run_as)
{
	struct keeper k = { .master = master, .epoll = -1 };
	struct source source = { SOURCE_MASTER, NULL, NULL };
	const struct rlimit none = { 0, 0 };
	int r;

	TAILQ_INIT(&k.wards);
	TAILQ_INIT(&k.ended);
	check_init(&k);
	title_set("keeper");
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN); /* it goes when the last session has gone */
	signal(SIGPIPE, SIG_IGN);
	r = privs_drop(run_as);
	/* after the drop, which sets it anew */
	if (r == 0 && (prctl(PR_SET_DUMPABLE, 0) == -1 || setrlimit(RLIMIT_CORE, &none) == -1))
		r = ERR_SYS;
	if (r != 0) {
		log_error("keeper: cannot become user %s: %s", run_as, err_str(r));
		return 1;
	}
	if (sodium_init() == -1)
		return 1;
	umask(077);
	r = load(&k, conf_dir);
	if (r != 0)
		return EXIT_CONFIG;
	r = watch_master(&k, &source);
	if (r != 0) {
		log_error("keeper: %s", err_str(r));
		return 1;
	}
	keeper_loop(&k);
	keystore_free(&k.keystore);
	return 0;
}
