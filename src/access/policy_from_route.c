/*
 * The policy of a session: the keys of its route, narrowed by the options of the key that the
 * client logged in with.  keeper/downstream.c asks for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "access/policy_from_route.h"

static int
policy_copy_list(struct strlist *to, const struct strlist *from)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < from->n; i++)
		r = strlist_add(to, from->v[i], strlen(from->v[i]));
	return r;
}

/* PermitOpen = any is the empty list; "none" is an element that matches nothing. */
static int
policy_copy_permitted(struct strlist *to, const struct strlist *from)
{
	if (from->n == 1 && strcasecmp(from->v[0], "any") == 0)
		return 0;
	return policy_copy_list(to, from);
}

static unsigned int
policy_permits_of(const struct route *route, const struct authorized_options *options)
{
	unsigned int p = POLICY_ALL, tcp = route->allow_tcp, stream = route->allow_stream;

	if ((options->permits & AUTHORIZED_PORT_FORWARDING) == 0)
		tcp = stream = ROUTE_FORWARD_NO;
	/* as in sshd, AllowTcpForwarding = no forbids Unix sockets, too */
	stream &= tcp;
	if ((tcp & ROUTE_FORWARD_LOCAL) == 0)
		p &= ~(unsigned int)POLICY_TCP_LOCAL;
	if ((tcp & ROUTE_FORWARD_REMOTE) == 0)
		p &= ~(unsigned int)POLICY_TCP_REMOTE;
	if ((stream & ROUTE_FORWARD_LOCAL) == 0)
		p &= ~(unsigned int)POLICY_STREAM_LOCAL;
	if ((stream & ROUTE_FORWARD_REMOTE) == 0)
		p &= ~(unsigned int)POLICY_STREAM_REMOTE;
	/* channels of unknown kinds are forwarding, too, as tun@openssh.com is */
	if (tcp == ROUTE_FORWARD_NO)
		p &= ~(unsigned int)POLICY_OTHER;
	if (!route->allow_agent || (options->permits & AUTHORIZED_AGENT_FORWARDING) == 0)
		p &= ~(unsigned int)POLICY_AGENT;
	if (!route->x11 || (options->permits & AUTHORIZED_X11_FORWARDING) == 0)
		p &= ~(unsigned int)POLICY_X11;
	if (!route->permit_tty || (options->permits & AUTHORIZED_PTY) == 0)
		p &= ~(unsigned int)POLICY_PTY;
	return p;
}

static int
policy_has_name(const struct strlist *list, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (strncmp(list->v[i], name, len) == 0 && list->v[i][len] == '=')
			return 1;
	return 0;
}

/* The first value of a name counts: that of SetEnv before that of environment=. */
static int
policy_add_env(struct strlist *to, const struct strlist *from)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < from->n && to->n < POLICY_ENV_MAX; i++)
		if (!policy_has_name(to, from->v[i], strcspn(from->v[i], "=")))
			r = strlist_add(to, from->v[i], strlen(from->v[i]));
	return r;
}

int
policy_is_sftp_alone(const struct route *route)
{
	const struct strlist *may = &route->permit_commands;

	return may->n == 1 && strcmp(may->v[0], "sftp") == 0;
}

int
policy_is_internal_sftp(const char *command)
{
	static const char word[] = "internal-sftp";

	return strncmp(command, word, sizeof(word) - 1) == 0 &&
	    strchr(" \t", command[sizeof(word) - 1]) != NULL;
}

char *
policy_sftp_command(const struct route *route)
{
	/* the user's shell reads it: csh and fish understand this line as sh does */
	static const char search[] =
	    "exec /bin/sh -c 'for d in /usr/lib/openssh /usr/libexec/openssh /usr/libexec "
	    "/usr/lib/ssh /usr/lib/misc /usr/local/libexec; do "
	    "test -x $d/sftp-server && exec $d/sftp-server -R; done; "
	    "echo sallyport: this machine has no sftp-server at the usual paths: "
	    "SftpReadOnly can name its path >&2; exit 127'";
	char *text;

	if (strcasecmp(route->sftp_read_only, "yes") == 0)
		return strdup(search);
	return asprintf(&text, "exec %s -R", route->sftp_read_only) == -1 ? NULL : text;
}

/* The forced command in *out, or NULL.  0 or ERR_NOMEM. */
static int
policy_forced_command(const struct route *route, const struct authorized_options *options,
    char **out)
{
	const char *command = options->command;

	*out = NULL;
	/* as in sshd, ForceCommand overrides command= */
	if (route->force_command != NULL && strcasecmp(route->force_command, "none") != 0)
		command = route->force_command;
	/* what a certificate for the machine can say of SftpReadOnly */
	if (route_is_sftp_read_only(route)) {
		if (command == NULL && policy_is_sftp_alone(route))
			command = "internal-sftp";
		if (command != NULL && policy_is_internal_sftp(command))
			return asprintf(out, "%s -R", command) == -1 ? ERR_NOMEM : 0;
	}
	if (command == NULL)
		return 0;
	*out = strdup(command);
	return *out == NULL ? ERR_NOMEM : 0;
}

int
policy_of_route(const struct route *route, const struct authorized_options *options,
    struct policy *policy)
{
	int r;

	policy_init(policy);
	policy->permits = policy_permits_of(route, options);
	policy->max_sessions = (uint32_t)route->max_sessions;
	policy->idle_ms = (uint32_t)route->idle_timeout_ms;
	policy->session_ms = (uint32_t)route->session_timeout_ms;
	policy->unused_ms = (uint32_t)route->unused_timeout_ms;
	policy->rekey_bytes = route->rekey_limit.bytes;
	policy->rekey_ms = (uint32_t)route->rekey_limit.ms;
	policy->has_tunnel = options->has_tunnel;
	policy->tunnel = options->tunnel;
	r = policy_copy_permitted(&policy->permit_open[POLICY_ROUTE], &route->permit_open);
	if (r == 0)
		r = policy_copy_list(&policy->permit_open[POLICY_KEY], &options->permit_open);
	if (r == 0)
		r = policy_copy_permitted(&policy->permit_listen[POLICY_ROUTE],
		    &route->permit_listen);
	if (r == 0)
		r = policy_copy_list(&policy->permit_listen[POLICY_KEY], &options->permit_listen);
	if (r == 0)
		r = policy_copy_list(&policy->commands, &route->permit_commands);
	if (r == 0)
		r = policy_copy_list(&policy->accept_env, &route->accept_env);
	if (r == 0)
		r = policy_add_env(&policy->set_env, &route->set_env);
	if (r == 0)
		r = policy_add_env(&policy->set_env, &options->environment);
	if (r == 0)
		r = policy_forced_command(route, options, &policy->command);
	if (r == 0 && route_is_sftp_read_only(route)) {
		policy->sftp = policy_sftp_command(route);
		r = policy->sftp == NULL ? ERR_NOMEM : 0;
	}
	if (r != 0)
		policy_free(policy);
	return r;
}

int
policy_from_route(const struct route *route, const struct authorized_options *options,
    int command_upstream, struct buf *b, struct reason *why)
{
	const char *overfull;
	struct policy policy;
	int r;

	r = policy_of_route(route, options, &policy);
	if (r != 0) {
		reason_set(why, "%s", err_str(r));
		return r;
	}
	policy.command_upstream = command_upstream;
	policy_put(b, &policy);
	r = buf_err(b);
	overfull = policy_overfull(&policy);
	if (overfull != NULL)
		reason_set(why, "more than %d of %s", POLICY_LIST_MAX, overfull);
	else if (r != 0)
		reason_set(why,
		    "what the options of the key and the route permit is longer than %d KiB",
		    (POLICY_BYTES_MAX + 1) / 1024);
	policy_free(&policy);
	return r;
}
