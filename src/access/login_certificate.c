/*
 * The contents of the certificates of Key = ca:.  Called by the keeper at each login
 * (keeper/issue.c), and by `sallyport route` and `check`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "access/login_certificate.h"
#include "access/policy_from_route.h"
#include "formats/tunnel_name.h"
#include "lookup/route_types.h"

#define POLICY_FORWARDS_LOCAL (POLICY_TCP_LOCAL | POLICY_STREAM_LOCAL)
#define POLICY_FORWARDS (POLICY_FORWARDS_LOCAL | POLICY_TCP_REMOTE | POLICY_STREAM_REMOTE)

/* Is the address that the machine sees another than the gateway's own on its connection? */
static int
login_certificate_is_elsewhere(const struct route *r)
{
	return r->proxy_jump != NULL || r->connect_via != NULL || r->send_proxy != 0 ||
	    tunnel_name_of_host(r->hosts.v[0]) != NULL;
}

/* The text of source-address.  0 or ERR_NOMEM. */
static int
login_certificate_source(const struct route *r, const char *from, char **out)
{
	const char *written = r->certificate_source_address;

	*out = NULL;
	if (written != NULL && strcasecmp(written, "none") == 0)
		return 0;
	if (written != NULL && strcasecmp(written, "auto") != 0)
		*out = route_address_list(written);
	/* a link-local address has a scope, which no certificate can have */
	else if (login_certificate_is_elsewhere(r) || address_match_blocks(from, from) != 1)
		return 0;
	else
		*out = strdup(from);
	return *out == NULL ? ERR_NOMEM : 0;
}

static int
login_certificate_principals(const struct route *r, const char *user, struct strlist *out)
{
	const struct strlist *written = &r->certificate_principals;
	size_t i;
	int err = 0;

	if (written->n == 0)
		return strlist_add(out, user, strlen(user));
	for (i = 0; err == 0 && i < written->n; i++)
		err = strlist_add(out, written->v[i], strlen(written->v[i]));
	return err;
}

/* PermitOpen and PermitListen: is that nothing? */
static int
login_certificate_is_none(const struct strlist *list)
{
	return list->n == 1 && strcasecmp(list->v[0], "none") == 0;
}

/* May the session forward anything?  Of Unix sockets, PermitOpen counts for those upstream, and PermitListen for
 * none, as in sshd. */
static int
login_certificate_forwards(const struct route *r, unsigned int policy)
{
	if (login_certificate_is_none(&r->permit_open))
		policy &= ~(unsigned int)POLICY_FORWARDS_LOCAL;
	if (login_certificate_is_none(&r->permit_listen))
		policy &= ~(unsigned int)POLICY_TCP_REMOTE;
	return (policy & POLICY_FORWARDS) != 0;
}

/* AUTHORIZED_* for what the session is permitted. */
static unsigned int
login_certificate_permits(const struct route *r, const struct authorized_options *options,
    unsigned int policy)
{
	unsigned int permits = 0;

	if (login_certificate_forwards(r, policy))
		permits |= AUTHORIZED_PORT_FORWARDING;
	if ((policy & POLICY_AGENT) != 0)
		permits |= AUTHORIZED_AGENT_FORWARDING;
	if ((policy & POLICY_X11) != 0)
		permits |= AUTHORIZED_X11_FORWARDING;
	if ((policy & POLICY_PTY) != 0)
		permits |= AUTHORIZED_PTY;
	/* restrict of authorized_keys forbids it, too */
	if (!r->restrict_all)
		permits |= options->permits & AUTHORIZED_USER_RC;
	return permits;
}

int
login_certificate_make(const struct route *route, const struct authorized_options *options,
    const char *user, const char *from, time_t now, struct login_certificate *out,
    struct reason *why)
{
	struct policy policy = { 0 };
	int err;

	*out = (struct login_certificate){ .order = { .kind = CERT_USER,
					       .permits = AUTHORIZED_PORT_FORWARDING } };
	/* the gateway's clock may be wrong, but no time is before 1970 */
	out->order.valid_after = (uint64_t)now - (uint64_t)route->certificate_skew_ms / 1000;
	out->order.valid_before = (uint64_t)now + (uint64_t)route->certificate_lifetime_ms / 1000;
	err = login_certificate_principals(route, user, &out->principals);
	if (err == 0)
		err = login_certificate_source(route, from, &out->source);
	if (err == 0 && options == NULL) {
		out->command = strdup(
		    route->force_command != NULL && strcasecmp(route->force_command, "none") != 0 ?
			route->force_command :
			LOGIN_CERTIFICATE_HOP_COMMAND);
		err = out->command == NULL ? ERR_NOMEM : 0;
	} else if (err == 0) {
		err = policy_of_route(route, options, &policy);
		out->order.permits = login_certificate_permits(route, options, policy.permits);
		out->command = policy.command;
		policy.command = NULL;
		policy_free(&policy);
	}
	if (err != 0)
		reason_set(why, "%s", err_str(err));
	if (err == 0 && out->command != NULL && strlen(out->command) > CERT_TEXT_MAX) {
		reason_set(why, "the forced command is longer than %d bytes", CERT_TEXT_MAX);
		err = ERR_TOOBIG;
	}
	out->order.principals = &out->principals;
	out->order.force_command = out->command;
	out->order.source_address = out->source;
	return err;
}

void
login_certificate_free(struct login_certificate *c)
{
	strlist_free(&c->principals);
	free(c->command);
	free(c->source);
	*c = (struct login_certificate){ 0 };
}

static void
login_certificate_add(char out[LOGIN_CERTIFICATE_REST_SIZE], int is_set, const char *keyword)
{
	size_t len = strlen(out);

	if (is_set)
		snprintf(out + len, LOGIN_CERTIFICATE_REST_SIZE - len, "%s%s", len > 0 ? ", " : "",
		    keyword);
}

void
login_certificate_rest(const struct route *r, char out[LOGIN_CERTIFICATE_REST_SIZE])
{
	const enum route_forward tcp = r->allow_tcp, stream = r->allow_stream & r->allow_tcp;

	out[0] = '\0';
	login_certificate_add(out, tcp == ROUTE_FORWARD_LOCAL || tcp == ROUTE_FORWARD_REMOTE,
	    "AllowTcpForwarding in one direction");
	login_certificate_add(out, stream != tcp, "AllowStreamLocalForwarding");
	login_certificate_add(out, r->permit_open.n > 0, "PermitOpen");
	login_certificate_add(out, r->permit_listen.n > 0, "PermitListen");
	login_certificate_add(out, r->permit_commands.n > 0, "PermitCommands");
	login_certificate_add(out,
	    route_is_sftp_read_only(r) && !policy_is_sftp_alone(r) &&
		(r->force_command == NULL || strcasecmp(r->force_command, "none") == 0),
	    "SftpReadOnly");
	login_certificate_add(out, r->accept_env.n > 0, "AcceptEnv");
	login_certificate_add(out, r->max_sessions < POLICY_SESSIONS_MAX, "MaxSessions");
	login_certificate_add(out, r->idle_timeout_ms > 0, "IdleTimeout");
	login_certificate_add(out, r->session_timeout_ms > 0, "SessionTimeout");
	login_certificate_add(out, r->unused_timeout_ms > 0, "UnusedConnectionTimeout");
}
