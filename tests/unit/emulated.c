/*
 * Called by tests of seccomp filters, of programs under one, and of messages with descriptors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "emulated.h"

void
skip_if_emulated(void)
{
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == -1)
		skip();
}
