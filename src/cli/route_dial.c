/*
 * sallyport route --dial, called by route_show.c: a trial connection to each host of the route
 * until one answers, and a line for each.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "access/host_key_add.h"
#include "access/route_files.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/reexec.h"
#include "cli/cli.h"
#include "cli/keyscan.h"
#include "cli/route.h"
#include "cli/store_probe.h"
#include "errand/dial.h"
#include "formats/cert.h"
#include "formats/known_hosts.h"
#include "formats/pubkey.h"
#include "formats/tunnel_name.h"
#include "lookup/hop.h"

#define LINE_SIZE 4096
#define ADDRESS_SIZE 64

/* Print a line.  It may hold text of the upstream, so it is escaped. */
static void __attribute__((format(printf, 1, 2))) route_dial_say(const char *fmt, ...)
{
	char line[LINE_SIZE], vis[4 * LINE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	printf("dial       %s\n", log_vis(vis, sizeof(vis), line, strlen(line)));
}

/* --- is it the gateway itself? --- */

static int
route_dial_numeric(const struct sockaddr *sa, socklen_t len, char out[ADDRESS_SIZE])
{
	return getnameinfo(sa, len, out, ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) == 0;
}

/* Is it an address of this host?  Then a connection to it would come from the same address.
 * Nothing is sent. */
static int
route_dial_is_local(const struct addrinfo *ai, const char *address)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char own[ADDRESS_SIZE] = "";
	int fd;

	if (ai->ai_family == AF_INET && strncmp(address, "127.", 4) == 0)
		return 1;
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return 0;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    getsockname(fd, (struct sockaddr *)&from, &len) == 0)
		(void)route_dial_numeric((struct sockaddr *)&from, len, own);
	fd_close(&fd);
	return strcmp(own, address) == 0;
}

static int
route_dial_listens_at(const struct conf_gateway *g, const struct addrinfo *ai, const char *address,
    uint16_t port)
{
	const char *any = ai->ai_family == AF_INET ? "0.0.0.0" : "::", *host;
	size_t i;

	for (i = 0; i < g->n_listen; i++) {
		host = g->listen[i].host;
		if (g->listen[i].port == port &&
		    (strcmp(host, address) == 0 ||
			(strcmp(host, any) == 0 && route_dial_is_local(ai, address))))
			return 1;
	}
	return 0;
}

/* Would a connection to that host come back to the gateway, whether it runs or not? */
static int
route_dial_leads_back(const struct conf_gateway *g, const char *host, uint16_t port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL, *ai;
	char address[ADDRESS_SIZE];
	int back = 0;

	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return 0; /* route_dial_connect() reports it */
	for (ai = list; ai != NULL && !back; ai = ai->ai_next)
		back = route_dial_numeric(ai->ai_addr, ai->ai_addrlen, address) &&
		    route_dial_listens_at(g, ai, address, port);
	freeaddrinfo(list);
	return back;
}

/* --- the result --- */

/* The place that the host key is known from: "FILE:LINE". */
static void
route_dial_known_by(const struct keyscan *t, char *out, size_t size)
{
	const int authority = t->judgement.by == HOST_KEY_BY_AUTHORITY;
	struct bytes key = buf_bytes(&t->judgement.key);
	const struct route *r = t->route;
	struct reason why;
	struct cert cert;
	struct buf text;
	size_t i, line = 0;

	snprintf(out, size, "HostKeyFingerprint");
	if (t->judgement.by == HOST_KEY_BY_FINGERPRINT)
		return;
	if (authority && cert_parse(&cert, buf_bytes(&t->blob)) == 0)
		key = cert.ca;
	for (i = 0; i < r->known_hosts_files.n && line == 0; i++) {
		buf_init(&text, KNOWN_HOSTS_MAX);
		if (route_file_read(r, r->known_hosts_files.v[i], &text, &why) == 0)
			line = known_hosts_place((const char *)text.data, text.len, t->host,
			    r->port, authority, key);
		buf_free(&text);
	}
	/* 0: the file was changed meanwhile */
	if (line > 0)
		snprintf(out, size, "%s:%zu%s", r->known_hosts_files.v[i - 1], line,
		    authority ? ", @cert-authority" : "");
}

/* An unknown or changed key that StrictHostKeyChecking = no accepts.  An upstream with a
 * changed key gets no secret, and for either the mapped key signs only together with the
 * host key (publickey-hostbound). */
static int
route_dial_say_any(const struct keyscan *t, const char *at, const char *key)
{
	const int changed = t->judgement.verdict == HOST_KEY_CHANGED;
	const struct route *r = t->route;
	const char *secret = !changed ? NULL :
	    r->passthrough	      ? "what the user types" :
	    r->password != NULL	      ? "the stored password" :
					NULL;

	route_dial_say("%s: %s, %s %s, and StrictHostKeyChecking is no%s%s", at, t->version, key,
	    changed ? "has CHANGED" : "is not known", secret != NULL ? ": it does not get " : "",
	    secret != NULL ? secret : "");
	if (!r->agent && (r->key != NULL || r->key_file != NULL) && !t->hostbound) {
		route_dial_say(
		    "the upstream does not support publickey-hostbound (OpenSSH does since "
		    "8.9), and the mapped key signs for it in no other way: add its host key to "
		    "UserKnownHostsFile, or set StrictHostKeyChecking = accept-new");
		return CLI_FAILED;
	}
	return secret != NULL ? CLI_FAILED : CLI_OK;
}

/* A key that the first login is to keep, if it can. */
static int
route_dial_say_new(const struct keyscan *t, const char *at, const char *key)
{
	struct reason why;

	if (host_key_add_check(t->route, &why) != 0) {
		route_dial_say("%s: %s, %s is not known, and can't be stored: %s", at, t->version,
		    key, why.text);
		return CLI_FAILED;
	}
	route_dial_say("%s: %s, %s is not known: the first login will store it in %s", at,
	    t->version, key, t->route->known_hosts_files.v[0]);
	return CLI_OK;
}

static int
route_dial_say_accepted(const struct keyscan *t, const char *at)
{
	const struct host_key_judgement *j = &t->judgement;
	const struct bytes blob = buf_bytes(&t->blob);
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64], key[160], by[LINE_SIZE / 2];

	pubkey_fingerprint(blob, fingerprint);
	if (pubkey_type(blob, type) != 0)
		type[0] = '\0';
	snprintf(key, sizeof(key), "%s %s", pubkey_type_short(type), fingerprint);
	switch (j->verdict) {
	case HOST_KEY_REFUSED:
		break; /* route_dial_say_result() has printed the reason */
	case HOST_KEY_KNOWN:
		route_dial_known_by(t, by, sizeof(by));
		route_dial_say("%s: %s, %s is known (%s)%s%s", at, t->version, key, by,
		    j->why.text[0] != '\0' ? "; " : "", j->why.text);
		return CLI_OK;
	case HOST_KEY_NEW:
		return route_dial_say_new(t, at, key);
	case HOST_KEY_ANY:
	case HOST_KEY_CHANGED:
		return route_dial_say_any(t, at, key);
	}
	return CLI_FAILED;
}

/* What to do if this is how sshd 9.8 and later turn away a source that has penalties, or "". */
static const char *
route_dial_turned_away(const char *reason)
{
	return strstr(reason, "it said: Not allowed at this time") == NULL ?
	    "" :
	    " (PerSourcePenalties there, or MaxStartups): add this host's address to "
	    "PerSourcePenaltyExemptList in its sshd_config";
}

static int
route_dial_say_result(const struct keyscan *t, const char *at)
{
	struct reason failed;

	if (t->version[0] == '\0')
		route_dial_say("%s: connected, but no SSH server answers there: %s%s%s", at,
		    t->reason, route_dial_turned_away(t->reason), route_unlike_ssh(t->route));
	else if (t->shown && t->judgement.verdict == HOST_KEY_REFUSED)
		route_dial_say("%s: %s: Host key verification failed: %s", at, t->version,
		    host_key_failed(t->route, buf_bytes(&t->blob), t->judgement.why.text, &failed));
	else if (t->reason[0] != '\0')
		route_dial_say("%s: %s: %s%s", at, t->version, t->reason,
		    t->shown ? "" : route_unlike_ssh(t->route));
	else
		return route_dial_say_accepted(t, at);
	return CLI_FAILED;
}

/* "HOST port N", with the address if HOST is not one, or the proxy. */
static void
route_dial_place(const struct keyscan *t, char *out, size_t size)
{
	char via[CONNECT_VIA_TEXT_SIZE];

	if (t->via->scheme[0] != '\0')
		snprintf(out, size, "%s port %u via %s", t->host, t->route->port,
		    connect_via_text(t->via, via));
	else if (t->address[0] != '\0' && strcmp(t->address, t->host) != 0)
		snprintf(out, size, "%s (%s) port %u", t->host, t->address, t->route->port);
	else
		snprintf(out, size, "%s port %u", t->host, t->route->port);
}

/* --- the trial --- */

/* The line about the mapped key, if there is one. */
static int
route_dial_say_query(const struct route_query *q, const struct route_args *a,
    const struct keyscan *t)
{
	struct buf line;
	int status;

	buf_init(&line, LINE_SIZE);
	status = route_query_line(q, a, t, &line);
	if (buf_cstr(&line) != NULL && line.len > 0)
		route_dial_say("%s", buf_cstr(&line));
	buf_free(&line);
	return status;
}

static int
route_dial_hosts(const struct route_args *a, const struct find_route *f,
    const struct connect_via *via, struct secret *via_password, struct bytes via_ca)
{
	const struct route *r = f->route;
	const int64_t deadline = clock_ms() + r->connect_timeout_ms;
	char at[LINE_SIZE / 4];
	struct route_query q;
	struct keyscan t;
	int64_t now, share;
	int err, status;
	const char *direct;
	uint16_t port;
	size_t i;

	if (r->mode != ROUTE_LOGIN && r->mode != ROUTE_HOP) {
		route_dial_say(r->mode == ROUTE_JUMP ?
			"no trial: the user names the machine (Mode = jump)" :
			"no trial: the users hold tunnels, and there is no machine (Mode = tunnel)");
		return CLI_FAILED;
	}
	if (tunnel_name_of_host(r->hosts.v[0]) != NULL) {
		route_dial_say("no trial: only the running gateway reaches a tunnel");
		return CLI_FAILED;
	}
	if (reexec_init() != 0) {
		route_dial_say("no trial: %s", err_str(ERR_SYS));
		return CLI_FAILED;
	}
	for (i = 0; i < r->hosts.n; i++) {
		t = (struct keyscan){ .route = r,
			.host = r->hosts.v[i],
			.as = &f->as,
			.via = via,
			.via_password = via_password,
			.via_ca = via_ca };
		/* behind a proxy the same name is another host */
		direct = via->scheme[0] == '\0' ? t.host : via->host;
		port = via->scheme[0] == '\0' ? r->port : via->port;
		if (!route_may_dial(r, t.host)) {
			route_dial_say("%s port %u: AllowDestinations does not permit this name",
			    t.host, r->port);
			continue;
		}
		if (route_dial_leads_back(&f->conf->gateway, direct, port)) {
			route_dial_say("%s port %u: leads back to this gateway", direct, port);
			return CLI_FAILED;
		}
		route_query_begin(&q, a, f, &t);
		now = clock_ms();
		share = dial_share(deadline, (unsigned int)(r->hosts.n - i));
		err = keyscan_run(&t, share > now ? share - now : 0);
		route_dial_place(&t, at, sizeof(at));
		status = CLI_FAILED;
		if (err != 0)
			route_dial_say("%s: the trial has failed: %s", at, err_str(err));
		else if (t.connected)
			status = route_dial_say_result(&t, at);
		else
			route_dial_say("%s", t.reason[0] != '\0' ? t.reason : t.host);
		if (status == CLI_OK)
			status = route_dial_say_query(&q, a, &t);
		route_query_end(&q);
		keyscan_free(&t);
		if (err != 0 || t.connected)
			return status;
	}
	return CLI_FAILED;
}

/* Parse ConnectVia, open the password for the proxy, and read the file of ConnectViaCA.  0, or an ERR_* with the
 * reason printed. */
static int
route_dial_via(const struct find_route *f, struct connect_via *via, struct secret **password,
    struct buf *ca)
{
	const struct route *r = f->route;
	struct store_probe store = { 0 };
	struct reason why = { "" };
	int err = 0;

	*via = (struct connect_via){ 0 };
	*password = NULL;
	if (r->connect_via != NULL)
		err = connect_via_parse(r->connect_via, via, &why);
	if (err == 0 && r->connect_via_password != NULL) {
		err = store_probe_open(&store, &f->conf->keystore, &f->as, &why);
		if (err == 0 && store.ks == NULL) {
			reason_set(&why, "the key store cannot be unlocked here");
			err = ERR_AUTH;
		}
		if (err == 0)
			err = keystore_password(store.ks, r->connect_via_password, password, &why);
		store_probe_close(&store);
	}
	if (err != 0) {
		route_dial_say("no trial: ConnectViaPassword: %s", why.text);
		return err;
	}
	if (r->connect_via_ca != NULL)
		err = route_file_read(r, r->connect_via_ca, ca, &why);
	if (err != 0)
		route_dial_say("no trial: ConnectViaCA: %s", why.text);
	return err;
}

/* A trial of the first hop, in place of the upstream: only a login goes through it. */
static int
route_dial_hop(const struct route_args *a, const struct find_route *f)
{
	struct find_route first = *f;
	struct hops hops;
	struct reason why;
	size_t i;
	int status;

	/* route_show() has printed the reason */
	if (hops_find(f->lookup, f->route, &hops, &why) != 0)
		return CLI_FAILED;
	first.route = hops.v[hops.n - 1];
	route_dial_say("first the hop %s:", first.route->name);
	status = route_dial(a, &first);
	for (i = hops.n - 1; i > 0; i--)
		route_dial_say("%s port %u: not tried: only a login goes through the hop %s",
		    hops.v[i - 1]->hosts.v[0], hops.v[i - 1]->port, hops.v[i]->name);
	for (i = 0; i < f->route->hosts.n; i++)
		route_dial_say("%s port %u: not tried: only a login goes through the hop %s",
		    f->route->hosts.v[i], f->route->port, hops.v[0]->name);
	hops_free(&hops);
	return status;
}

int
route_dial(const struct route_args *a, const struct find_route *f)
{
	struct secret *password;
	struct connect_via via;
	int status = CLI_FAILED;
	struct buf ca;

	if (f->route->proxy_jump != NULL)
		return route_dial_hop(a, f);
	buf_init(&ca, ROUTE_VIA_CA_MAX);
	if (route_dial_via(f, &via, &password, &ca) == 0)
		status = route_dial_hosts(a, f, &via, password, buf_bytes(&ca));
	secret_free(&password);
	buf_free(&ca);
	return status;
}
