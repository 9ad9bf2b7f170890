/*
 * The choice for a connection that edge has looked at (choose.h).  Called by detect.c.
 */
#include <string.h>
#include <strings.h>

#include "base/match.h"
#include "conf/conf.h"
#include "formats/address.h"
#include "master/choose.h"

/* By enum ipc_kind; 0: no section can take it. */
static const unsigned int choose_protocols[IPC_KINDS] = {
	[IPC_KIND_SSH] = FORWARD_SSH,
	[IPC_KIND_TLS] = FORWARD_TLS | FORWARD_ANY,
	[IPC_KIND_HTTP] = FORWARD_HTTP | FORWARD_ANY,
	/* edge has taken the head: nobody else would understand the rest */
	[IPC_KIND_CONNECT] = FORWARD_CONNECT,
	[IPC_KIND_BANNER] = FORWARD_BANNER,
	[IPC_KIND_XMPP] = FORWARD_XMPP | FORWARD_ANY,
	[IPC_KIND_OPENVPN] = FORWARD_OPENVPN | FORWARD_ANY,
	[IPC_KIND_OTHER] = FORWARD_ANY,
};

static struct bytes
choose_bytes(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

/* The longest that fits is known; another one fits if that one begins with it. */
static int
choose_first_bytes(const char *text, struct bytes first)
{
	uint8_t bytes[FORWARD_BYTES_MAX];
	const int n = forward_bytes(text, bytes);

	return n > 0 && (size_t)n <= first.len && memcmp(bytes, first.p, (size_t)n) == 0;
}

static int
choose_host(const struct strlist *patterns, const char *host)
{
	size_t i;

	for (i = 0; i < patterns->n && host[0] != '\0'; i++)
		if (match_pattern(choose_bytes(host), choose_bytes(patterns->v[i]), MATCH_FOLD))
			return 1;
	return patterns->n == 0;
}

/* 1 if the client offers one of these names. */
static int
choose_alpn(const struct strlist *names, const char *offered)
{
	const char *p, *end;
	size_t i;

	for (p = offered; *p != '\0'; p = *end == ',' ? end + 1 : end) {
		end = p + strcspn(p, ",");
		for (i = 0; i < names->n; i++)
			if (strlen(names->v[i]) == (size_t)(end - p) &&
			    memcmp(names->v[i], p, (size_t)(end - p)) == 0)
				return 1;
	}
	return names->n == 0;
}

/* 1 if one of these lists has the address, and none before it excludes it with a '!'. */
static int
choose_address(const struct strlist *lists, const char *address)
{
	size_t i;
	int r;

	for (i = 0; i < lists->n; i++) {
		r = address_match(address, lists->v[i]);
		if (r != 0)
			return r == 1;
	}
	return lists->n == 0;
}

/* Sections that say more about the first bytes than others are tried before these, wherever they are written. */
enum choose_rank {
	CHOOSE_NARROW, /* FirstBytes, MatchALPN */
	CHOOSE_USUAL,
	CHOOSE_ANY, /* Protocol = any */
};

static enum choose_rank
choose_rank(const struct conf_forward *f)
{
	return (f->protocols & FORWARD_ANY) != 0	  ? CHOOSE_ANY :
	    f->first_bytes != NULL || f->match_alpn.n > 0 ? CHOOSE_NARROW :
							    CHOOSE_USUAL;
}

/* Does the section take this connection?  protocols: bits that will do, without FirstBytes. */
static int
choose_takes(const struct conf_forward *f, const struct choose_facts *facts, unsigned int protocols)
{
	if (f->first_bytes != NULL ? !choose_first_bytes(f->first_bytes, facts->first) :
				     (f->protocols & protocols) == 0)
		return 0;
	return (f->mode == FORWARD_RAW) == (facts->inner != 0) &&
	    choose_host(&f->match_host, facts->host) && choose_alpn(&f->match_alpn, facts->alpn) &&
	    choose_address(&f->match_address, facts->client) &&
	    choose_address(&f->match_local_address, facts->local) &&
	    conf_ports_have(&f->match_local_ports, facts->local_port);
}

/* The first section of this rank that takes it, or NULL. */
static const struct conf_forward *
choose_section(const struct conf *conf, const struct choose_facts *facts, enum choose_rank rank)
{
	const struct conf_forward *f;
	size_t i;

	for (i = 0; i < conf->n_forwards; i++) {
		f = &conf->forwards[i];
		if (choose_rank(f) == rank && choose_takes(f, facts, choose_protocols[facts->kind]))
			return f;
	}
	return NULL;
}

int
choose_by_alpn(const struct conf *conf, const struct choose_facts *facts)
{
	const struct conf_forward *f = choose_section(conf, facts, CHOOSE_NARROW);

	return f != NULL && f->match_alpn.n > 0;
}

enum choice
choose(const struct conf *conf, const struct choose_facts *facts,
    const struct conf_forward **forward)
{
	const int ssh = facts->kind == IPC_KIND_SSH || facts->kind == IPC_KIND_BANNER;
	int rank;

	*forward = NULL;
	if (facts->kind == IPC_KIND_CLOSED)
		return CHOICE_CLOSED;
	if (facts->kind == IPC_KIND_SILENT)
		return conf->edge.restrict_to_ssh ? CHOICE_SILENT : CHOICE_SSH;
	for (rank = CHOOSE_NARROW; rank <= CHOOSE_ANY && *forward == NULL; rank++)
		*forward = choose_section(conf, facts, (enum choose_rank)rank);
	if (*forward != NULL && facts->login_only) {
		*forward = NULL;
		return CHOICE_LOGINS;
	}
	if (*forward != NULL)
		return CHOICE_FORWARD;
	return ssh ? CHOICE_SSH : CHOICE_NONE;
}
