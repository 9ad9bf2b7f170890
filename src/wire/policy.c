/*
 * The policy of a session as the body of a message: written by the keeper
 * (access/policy_from_route.c), read by the session.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/policy.h"

#define POLICY_LISTS 7

static struct strlist *
policy_list(struct policy *policy, unsigned int i)
{
	struct strlist *const lists[POLICY_LISTS] = { &policy->permit_open[POLICY_ROUTE],
		&policy->permit_open[POLICY_KEY], &policy->permit_listen[POLICY_ROUTE],
		&policy->permit_listen[POLICY_KEY], &policy->commands, &policy->accept_env,
		&policy->set_env };

	return lists[i];
}

void
policy_init(struct policy *policy)
{
	*policy = (struct policy){ .permits = POLICY_ALL, .max_sessions = POLICY_SESSIONS_MAX };
}

void
policy_free(struct policy *policy)
{
	unsigned int i;

	for (i = 0; i < POLICY_LISTS; i++)
		strlist_free(policy_list(policy, i));
	free(policy->command);
	free(policy->sftp);
	*policy = (struct policy){ 0 };
}

void
policy_put(struct buf *b, const struct policy *policy)
{
	struct policy copy = *policy; /* policy_list() wants one that is not const */
	const struct strlist *list;
	unsigned int i;
	size_t j;

	wire_put_u32(b, policy->permits);
	wire_put_u32(b, policy->max_sessions);
	wire_put_u32(b, policy->idle_ms);
	wire_put_u32(b, policy->session_ms);
	wire_put_u32(b, policy->unused_ms);
	wire_put_u64(b, policy->rekey_bytes);
	wire_put_u32(b, policy->rekey_ms);
	wire_put_bool(b, policy->has_tunnel);
	wire_put_u32(b, policy->tunnel);
	wire_put_bool(b, policy->command != NULL);
	wire_put_text(b, policy->command != NULL ? policy->command : "");
	wire_put_bool(b, policy->command_upstream);
	wire_put_text(b, policy->sftp != NULL ? policy->sftp : "");
	for (i = 0; i < POLICY_LISTS; i++) {
		list = policy_list(&copy, i);
		if (list->n > POLICY_LIST_MAX)
			b->err = ERR_TOOBIG;
		wire_put_u32(b, (uint32_t)list->n);
		for (j = 0; j < list->n; j++)
			wire_put_text(b, list->v[j]);
	}
}

const char *
policy_overfull(const struct policy *policy)
{
	static const char *const names[POLICY_LISTS] = { "PermitOpen",
		"permitopen=", "PermitListen", "permitlisten=", "PermitCommands", "AcceptEnv",
		"SetEnv" };
	struct policy copy = *policy;
	unsigned int i;

	for (i = 0; i < POLICY_LISTS; i++)
		if (policy_list(&copy, i)->n > POLICY_LIST_MAX)
			return names[i];
	return NULL;
}

/* Read a string, which must not contain a NUL. */
static int
policy_get_text(struct wire *w, struct bytes *text)
{
	*text = wire_string(w);
	if (wire_err(w) == 0 && memchr(text->p, '\0', text->len) != NULL)
		w->err = ERR_FORMAT;
	return wire_err(w);
}

static int
policy_get_list(struct wire *w, struct strlist *list)
{
	uint32_t n = wire_u32(w);
	struct bytes text;
	int r = wire_err(w);

	if (n > POLICY_LIST_MAX)
		return ERR_FORMAT;
	for (; r == 0 && n > 0; n--) {
		r = policy_get_text(w, &text);
		if (r == 0)
			r = strlist_add(list, (const char *)text.p, text.len);
	}
	return r;
}

int
policy_get(struct wire *w, struct policy *policy)
{
	struct bytes command, sftp = { 0 };
	unsigned int i;
	int forced, r;

	*policy = (struct policy){ 0 };
	policy->permits = wire_u32(w);
	policy->max_sessions = wire_u32(w);
	policy->idle_ms = wire_u32(w);
	policy->session_ms = wire_u32(w);
	policy->unused_ms = wire_u32(w);
	policy->rekey_bytes = wire_u64(w);
	policy->rekey_ms = wire_u32(w);
	policy->has_tunnel = wire_bool(w);
	policy->tunnel = wire_u32(w);
	forced = wire_bool(w);
	r = policy_get_text(w, &command);
	policy->command_upstream = wire_bool(w);
	if (r == 0)
		r = policy_get_text(w, &sftp);
	if (r == 0 && sftp.len > 0) {
		policy->sftp = strndup((const char *)sftp.p, sftp.len);
		r = policy->sftp == NULL ? ERR_NOMEM : 0;
	}
	if (r == 0 && forced) {
		policy->command = strndup((const char *)command.p, command.len);
		r = policy->command == NULL ? ERR_NOMEM : 0;
	}
	for (i = 0; r == 0 && i < POLICY_LISTS; i++)
		r = policy_get_list(w, policy_list(policy, i));
	if (r == 0)
		r = wire_end(w);
	if (r == 0 &&
	    ((policy->permits & ~(unsigned int)POLICY_ALL) != 0 ||
		policy->max_sessions > POLICY_SESSIONS_MAX || policy->rekey_ms > INT32_MAX))
		r = ERR_FORMAT;
	if (r != 0)
		policy_free(policy);
	return r;
}
