/*
 * A stack canary of the process's own.  Called by each session when it begins.
 */
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/canary.h"
#include "base/log.h"

/* Compilers without the attribute get the optimization option instead. */
#if defined(__has_attribute)
#if __has_attribute(no_stack_protector)
#define CANARY_UNPROTECTED __attribute__((no_stack_protector, noinline))
#endif
#endif
#ifndef CANARY_UNPROTECTED
#define CANARY_UNPROTECTED __attribute__((optimize("no-stack-protector"), noinline))
#endif

/*
 * On x86_64 glibc keeps the canary in the thread's control block.  On aarch64 it is
 * __stack_chk_guard, which the dynamic linker makes read-only once it is set: there a session keeps
 * the master's canary.
 */
CANARY_UNPROTECTED void
canary_renew(void)
{
#if defined(__x86_64__) && defined(__LP64__)
	uint64_t canary;

	if (getrandom(&canary, sizeof(canary), 0) != sizeof(canary))
		fatal("no random bytes for a stack canary");
	/* the lowest byte is 0, as in glibc's canaries, so that no string function copies past
	 * it */
	canary &= ~(uint64_t)0xff;
	__asm__ volatile("movq %0, %%fs:0x28" : : "r"(canary) : "memory");
	explicit_bzero(&canary, sizeof(canary));
#endif
}
