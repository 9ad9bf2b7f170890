/*
 * The policy of a session as a message: policy_put() in the keeper, policy_get() in the session.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/policy.h"

#define LISTS 7

static struct strlist *
policy_list(struct policy *rules, unsigned int i)
{
	struct strlist *const lists[LISTS] = { &rules->permit_open[POLICY_ROUTE],
		&rules->permit_open[POLICY_KEY], &rules->permit_listen[POLICY_ROUTE],
		&rules->permit_listen[POLICY_KEY], &rules->commands, &rules->accept_env,
		&rules->set_env };

	return lists[i];
}

void
policy_init(struct policy *rules)
{
	*rules = (struct policy){ .permits = POLICY_ALL, .max_sessions = POLICY_SESSIONS_MAX };
}

void
policy_free(struct policy *rules)
{
	unsigned int i;

	for (i = 0; i < LISTS; i++)
		strlist_free(policy_list(rules, i));
	free(rules->command);
	*rules = (struct policy){ 0 };
}

void
policy_put(struct buf *b, const struct policy *rules)
{
	struct policy copy = *rules; /* for its lists, which are only looked at */
	const struct strlist *list;
	unsigned int i;
	size_t j;

	wire_put_u32(b, rules->permits);
	wire_put_u32(b, rules->max_sessions);
	wire_put_u32(b, rules->idle_ms);
	wire_put_u32(b, rules->session_ms);
	wire_put_bool(b, rules->has_tunnel);
	wire_put_u32(b, rules->tunnel);
	wire_put_bool(b, rules->command != NULL);
	wire_put_text(b, rules->command != NULL ? rules->command : "");
	for (i = 0; i < LISTS; i++) {
		list = policy_list(&copy, i);
		if (list->n > POLICY_LIST_MAX)
			b->err = ERR_TOOBIG;
		wire_put_u32(b, (uint32_t)list->n);
		for (j = 0; j < list->n; j++)
			wire_put_text(b, list->v[j]);
	}
}

const char *
policy_overfull(const struct policy *rules)
{
	static const char *const names[LISTS] = { "PermitOpen", "permitopen=", "PermitListen",
		"permitlisten=", "PermitCommands", "AcceptEnv", "SetEnv" };
	struct policy copy = *rules;
	unsigned int i;

	for (i = 0; i < LISTS; i++)
		if (policy_list(&copy, i)->n > POLICY_LIST_MAX)
			return names[i];
	return NULL;
}

/* A string without a NUL in it. */
static int
get_text(struct wire *w, struct bytes *text)
{
	*text = wire_string(w);
	if (wire_err(w) == 0 && memchr(text->p, '\0', text->len) != NULL)
		w->err = ERR_FORMAT;
	return wire_err(w);
}

static int
get_list(struct wire *w, struct strlist *list)
{
	uint32_t n = wire_u32(w);
	struct bytes text;
	int r = wire_err(w);

	if (n > POLICY_LIST_MAX)
		return ERR_FORMAT;
	for (; r == 0 && n > 0; n--) {
		r = get_text(w, &text);
		if (r == 0)
			r = strlist_add(list, (const char *)text.p, text.len);
	}
	return r;
}

int
policy_get(struct wire *w, struct policy *rules)
{
	struct bytes command;
	unsigned int i;
	int forced, r;

	*rules = (struct policy){ 0 };
	rules->permits = wire_u32(w);
	rules->max_sessions = wire_u32(w);
	rules->idle_ms = wire_u32(w);
	rules->session_ms = wire_u32(w);
	rules->has_tunnel = wire_bool(w);
	rules->tunnel = wire_u32(w);
	forced = wire_bool(w);
	r = get_text(w, &command);
	if (r == 0 && forced) {
		rules->command = strndup((const char *)command.p, command.len);
		r = rules->command == NULL ? ERR_NOMEM : 0;
	}
	for (i = 0; r == 0 && i < LISTS; i++)
		r = get_list(w, policy_list(rules, i));
	if (r == 0)
		r = wire_end(w);
	if (r == 0 &&
	    ((rules->permits & ~(unsigned int)POLICY_ALL) != 0 ||
		rules->max_sessions > POLICY_SESSIONS_MAX))
		r = ERR_FORMAT;
	if (r != 0)
		policy_free(rules);
	return r;
}
