/*
 * A reload: the keeper loads everything (RELOAD), the master applies [gateway] (RELOADED), then both switch
 * to the new configuration (COMMIT).  Called by master.c for SIGHUP, by control.c for `sallyport reload`.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/control_socket.h"
#include "master/keeper_process.h"
#include "master/master_private.h"

/* How long the master tries to send COMMIT.  The keeper reads at once unless it is loading. */
#define COMMIT_WAIT_MS 5000
/* After so long a reload without an answer is given up, and another may begin. */
#define RELOAD_LOST_MS 60000
/* Connections accepted from a listener before it is closed; a limit, so that a flood does not hold up the
 * reload. */
#define RELOAD_ACCEPT_MAX 16

static void
reload_ask(struct master *m)
{
	struct buf b;
	int i;

	m->reload = RELOAD_ASKED;
	m->reload_since = clock_ms();
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (m->askers[i] == ASKER_NEXT)
			m->askers[i] = ASKER_THIS;
	notify_reloading(m);
	ipc_begin(&b, IPC_RELOAD);
	if (ipc_send(m->keeper, &b, -1) != 0)
		log_error("reload: cannot reach the keeper"); /* the main loop finds out why */
}

void
reload_begin(struct master *m)
{
	if (m->reload == RELOAD_NONE || clock_ms() > m->reload_since + RELOAD_LOST_MS)
		reload_ask(m);
	else
		m->reload = RELOAD_AGAIN;
}

/* Answer the clients that wait for this reload, and begin the next one if it was asked for. */
static void
reload_end(struct master *m, int status, unsigned int count, const char *text, const char *notes)
{
	int i, again = m->reload == RELOAD_AGAIN;
	const char *json;
	struct buf b;

	/* first, for the service manager waits for `sallyport reload` and then for this */
	notify_serving(m, status == 0 ? 0 : count);
	buf_init(&b, CONTROL_ANSWER_MAX - 16);
	if (status == 0)
		control_socket_put_done(&b, count, notes);
	else
		control_socket_put_errors(&b, count, text);
	json = buf_cstr(&b);
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (m->askers[i] != ASKER_THIS)
			continue;
		control_answer(m->control, i, status,
		    !m->as_json[i]   ? text :
			json != NULL ? json :
				       "");
		m->askers[i] = ASKER_NONE;
	}
	buf_free(&b);
	m->reload = RELOAD_NONE;
	if (again)
		reload_ask(m);
}

/* Send COMMIT.  Master and keeper must agree from here on, so it is sent again while the socket is full. */
static void
reload_commit(struct master *m, int yes)
{
	struct pollfd pfd = { m->keeper, POLLOUT, 0 };
	int64_t end = clock_ms() + COMMIT_WAIT_MS;
	struct buf b;
	int r;

	do {
		ipc_begin(&b, IPC_COMMIT);
		wire_put_bool(&b, yes);
		r = ipc_send(m->keeper, &b, -1);
		if (r == ERR_AGAIN)
			(void)poll(&pfd, 1, clock_until(end, clock_ms()));
	} while (r == ERR_AGAIN && clock_ms() < end);
	if (r != 0)
		log_error("reload: cannot reach the keeper: %s", err_str(r));
}

static int
reload_same_name(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static int
reload_same_list(const struct strlist *a, const struct strlist *b)
{
	size_t i;

	for (i = 0; i < a->n && i < b->n && strcmp(a->v[i], b->v[i]) == 0; i++)
		;
	return i == a->n && i == b->n;
}

/* A note for the log, and a line for whoever has asked for the reload. */
static void
reload_note(struct buf *notes, const char *text)
{
	log_warn("reload: %s", text);
	buf_putf(notes, "note: %s\n", text);
}

/* What this reload does not change, though the configuration has. */
static void
reload_note_all(struct master *m, const struct conf_gateway *old, const struct conf_gateway *new,
    struct buf *notes)
{
	struct reason how;
	size_t i;

	if (!reload_same_name(old->run_as, new->run_as) ||
	    !reload_same_name(old->run_network_as, new->run_network_as))
		reload_note(notes, "RunAs and RunNetworkAs change only at a restart");
	if (!reload_same_list(&old->factor_programs, &new->factor_programs))
		reload_note(notes, "FactorPrograms changes only at a restart");
	if (strcmp(old->control_socket, new->control_socket) != 0)
		reload_note(notes, "ControlSocket changes only at a restart");
	for (i = 0; i < m->n_listeners; i++)
		if (listener_differs(&m->inherited, &m->listeners[i], &how))
			reload_note(notes, how.text);
}

/* Apply [gateway], [edge] and [forward NAME] as the keeper has loaded it: listeners, limits.  0 with lines in notes, or an ERR_*
 * with why and nothing changed. */
static int
reload_apply(struct master *m, const char *text, struct buf *notes, struct reason *why)
{
	struct listener next[LISTENERS_MAX];
	struct conf_errors errors = { 0 };
	struct conf *conf;
	size_t n_next, i;
	int r;

	r = conf_gateway_parse(text, strlen(text), &conf, &errors);
	conf_errors_free(&errors);
	if (r == 0 && conf->gateway.n_listen > LISTENERS_MAX)
		r = ERR_TOOBIG;
	if (r != 0) {
		reason_set(why, "%s", err_str(r));
		conf_free(&conf);
		return r;
	}
	r = listeners_change(&m->inherited, m->listeners, m->n_listeners, &conf->gateway, next,
	    why);
	if (r != 0) {
		conf_free(&conf);
		return r;
	}
	n_next = listeners_add_strays(&m->inherited, &conf->gateway, next, conf->gateway.n_listen);
	/* connections that already wait at listeners which are closed now */
	for (i = 0; i < m->n_listeners; i++)
		if (m->listeners[i].fd != -1)
			master_accept(m, &m->listeners[i], RELOAD_ACCEPT_MAX);
	listeners_drop(m->listeners, m->n_listeners, next, n_next);
	memcpy(m->listeners, next, n_next * sizeof(*next));
	m->n_listeners = n_next;
	reload_note_all(m, &m->conf->gateway, &conf->gateway, notes);
	startups_set_limits(m->startups, &conf->gateway, clock_ms());
	conf_free(&m->reloaded);
	m->conf = m->reloaded = conf;
	arrivals_configure(m);
	forwards_configure(m);
	return 0;
}

/* Log each complete line of the keeper's errors. */
static void
reload_log(char *text)
{
	char *line, *end;

	for (line = text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		log_error("reload: %s", line);
		*end = '\n';
	}
	*line = '\0'; /* drop a last line that was cut */
}

void
reload_answer(struct master *m, struct wire *body)
{
	int ok = wire_bool(body), status = 78;
	unsigned int n = wire_u32(body);
	struct bytes raw = wire_string(body);
	struct reason why = { "" };
	char *text, *told = NULL;
	const char *keys_why = "", *noted = NULL;
	struct buf notes;
	struct log_fields f;
	int keys = keeper_try_host_keys(m, body, &keys_why);

	buf_init(&notes, CONTROL_ANSWER_MAX / 2);
	text = keys != ERR_FORMAT ? strndup((const char *)raw.p, raw.len) : NULL;
	if (text == NULL || m->reload == RELOAD_NONE) {
		log_error("reload: unreadable answer from the keeper");
		ok = 0;
		n = 1;
	} else if (ok) {
		if (keys != 0)
			reason_set(&why, "HostKey: sessions cannot start with these keys: %s",
			    keys_why);
		ok = keys == 0 && reload_apply(m, text, &notes, &why) == 0;
		reload_commit(m, ok);
		if (!ok) {
			n = 1;
			log_error("reload: %s", why.text);
			(void)!asprintf(&told, "%s\n", why.text);
		}
	} else {
		reload_log(text);
	}
	if (ok) {
		conf_set_log(&m->conf->gateway);
		log_fields_begin(&f, "reloaded");
		log_field_number(&f, "routes", n);
		log_event(LOG_LVL_INFO, &f, "reload: the new configuration is in force");
		status = 0;
		noted = buf_cstr(&notes);
		(void)!asprintf(&told, "the new configuration is in force\n%s",
		    noted != NULL ? noted : "");
	} else {
		log_fields_begin(&f, "not_reloaded");
		log_field_number(&f, "errors", n);
		log_event(LOG_LVL_ERROR, &f,
		    "reload: %u error%s; the configuration stays as it was", n, n == 1 ? "" : "s");
	}
	reload_end(m, status, n,
	    told != NULL     ? told :
		text != NULL ? text :
			       "",
	    noted != NULL ? noted : "");
	buf_free(&notes);
	free(told);
	free(text);
}

int
reload_order(struct master *m, int client, const char *words)
{
	m->as_json[client] = strcmp(words, "json") == 0;
	if (!m->as_json[client] && words[0] != '\0')
		return ERR_FORMAT;
	log_info("control: reload");
	m->askers[client] = m->reload == RELOAD_NONE ? ASKER_THIS : ASKER_NEXT;
	reload_begin(m);
	return 0;
}
