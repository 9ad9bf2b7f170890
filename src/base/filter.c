/*
 * Filters of system calls, by libseccomp.  Called by the confine.c of master, keeper and errands;
 * the session has a filter of its own (session/sandbox.c).
 */
#include <errno.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/filter.h"

#ifdef SALLYPORT_ASAN
#define FILTER_VIOLATION SCMP_ACT_ERRNO(EPERM)
#else
#define FILTER_VIOLATION SCMP_ACT_KILL_PROCESS
#endif

static struct scmp_arg_cmp
filter_condition(const struct filter_arg *a)
{
	struct scmp_arg_cmp cmp = { .arg = a->number, .op = SCMP_CMP_EQ, .datum_a = a->value };

	switch (a->test) {
	case FILTER_ANY:
	case FILTER_FAILS:
	case FILTER_IS:
		break;
	case FILTER_IS_INT:
		cmp.op = SCMP_CMP_MASKED_EQ;
		cmp.datum_a = UINT32_MAX;
		cmp.datum_b = a->value & UINT32_MAX;
		break;
	case FILTER_IS_NOT:
		cmp.op = SCMP_CMP_NE;
		break;
	case FILTER_HAS:
		cmp.op = SCMP_CMP_MASKED_EQ;
		cmp.datum_b = a->value;
		break;
	case FILTER_LACKS:
		cmp.op = SCMP_CMP_MASKED_EQ;
		cmp.datum_b = 0;
		break;
	case FILTER_IS_OURSELVES:
		cmp.datum_a = (scmp_datum_t)getpid();
		break;
	}
	return cmp;
}

static int
filter_add(scmp_filter_ctx ctx, uint32_t other, uint32_t action, const struct filter_rule *rule)
{
	int number = seccomp_syscall_resolve_name(rule->call);
	struct scmp_arg_cmp conditions[FILTER_ARGS_MAX];
	unsigned int n = 0, i;

	if (number == __NR_SCMP_ERROR)
		return 0;
	for (i = 0; i < FILTER_ARGS_MAX; i++) {
		if (rule->args[i].test == FILTER_FAILS)
			action = SCMP_ACT_ERRNO((uint32_t)rule->args[i].value);
		else if (rule->args[i].test != FILTER_ANY)
			conditions[n++] = filter_condition(&rule->args[i]);
	}
	/* libseccomp refuses rules for the default action, as EPERM is in sanitizer builds */
	if (action == other)
		return 0;
	return seccomp_rule_add_array(ctx, action, number, n, conditions);
}

int
filter_enter(enum filter_kind kind, const struct filter_rule *rules, size_t n)
{
	uint32_t on_match = kind == FILTER_ALLOW ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM);
	uint32_t other = kind == FILTER_ALLOW ? FILTER_VIOLATION : SCMP_ACT_ALLOW;
	scmp_filter_ctx ctx = seccomp_init(other);
	size_t i;
	int r = 0;

	if (ctx == NULL)
		return ERR_NOMEM;
	for (i = 0; i < n && r == 0; i++)
		r = filter_add(ctx, other, on_match, &rules[i]);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	if (r == 0)
		return 0;
	errno = -r;
	return ERR_SYS;
}
