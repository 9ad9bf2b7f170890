/*
 * What the master gives up before its first connection, and with it every process that it starts:
 * access to other processes and to the kernel's insides.  It still may fork, execute and bind.
 */
#include "base/filter.h"
#include "master/master_private.h"

static const struct filter_rule confine_refused[] = {
#ifndef SALLYPORT_ASAN /* ASan looks for leaks with ptrace(2) */
	{ .call = "ptrace" },
#endif
	FILTER_REACHING,
};

int
master_confine(void)
{
	/* filter_enter() sets no-new-privileges as well */
	return filter_enter(FILTER_REFUSE, confine_refused,
	    sizeof(confine_refused) / sizeof(confine_refused[0]));
}
