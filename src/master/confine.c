/*
 * What the master gives up before it takes its first connection, for itself and for the sessions, the
 * errands and the programs that come from it: reaching into other processes and into the kernel.  It
 * goes on forking, executing and binding.
 */
#include "base/filter.h"
#include "master/master_private.h"

static const struct filter_rule refused[] = {
#ifndef SALLYPORT_ASAN /* which looks for leaks that way */
	{ .call = "ptrace" },
#endif
	FILTER_REACHING,
};

int
master_confine(void)
{
	/* no-new-privileges comes with it */
	return filter_enter(FILTER_REFUSE, refused, sizeof(refused) / sizeof(refused[0]));
}
