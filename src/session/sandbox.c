/*
 * What a session may ask of the kernel.  Everything else kills it: in particular
 * open, connect, fork, exec, ptrace and every way to another process.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <seccomp.h>

#include "base/err.h"
#include "session/session.h"

/* Sanitizers look around more than we do; under them a foreign call fails instead. */
#ifdef SALLYPORT_ASAN
#define SANDBOX_DEFAULT SCMP_ACT_ERRNO(EPERM)
#else
#define SANDBOX_DEFAULT SCMP_ACT_KILL_PROCESS
#endif

static const int plain_calls[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(close),
	SCMP_SYS(shutdown),
	SCMP_SYS(eventfd2),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
#ifdef SALLYPORT_ASAN
	SCMP_SYS(sigaltstack),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(sched_yield),
	SCMP_SYS(prctl),
#endif
};

static int
allow_some(scmp_filter_ctx ctx)
{
	size_t i;

	for (i = 0; i < sizeof(plain_calls) / sizeof(plain_calls[0]); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, plain_calls[i], 0) != 0)
			return ERR_SYS;
	/* memory, but never memory to run */
	if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0 ||
	    seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0)
		return ERR_SYS;
	/* the upstream's socket is made non-blocking and TCP_NODELAY */
	if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
		SCMP_A1(SCMP_CMP_EQ, F_GETFL, 0)) != 0 ||
	    seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
		SCMP_A1(SCMP_CMP_EQ, F_SETFL, 0)) != 0 ||
	    seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
		SCMP_A1(SCMP_CMP_EQ, IPPROTO_TCP, 0), SCMP_A2(SCMP_CMP_EQ, TCP_NODELAY, 0)) != 0)
		return ERR_SYS;
	/* see gather.h */
	if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
		SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET, 0), SCMP_A2(SCMP_CMP_EQ, SO_RCVLOWAT, 0)) != 0)
		return ERR_SYS;
	/* abort(3) raises a signal at itself */
	if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
		SCMP_A2(SCMP_CMP_EQ, 6, 0)) != 0)
		return ERR_SYS;
	return 0;
}

int
sandbox_enter(void)
{
	const struct rlimit none = { 0, 0 }, few = { 16, 16 };
	scmp_filter_ctx ctx;
	int r = ERR_SYS;

	if (prctl(PR_SET_DUMPABLE, 0) == -1 || setrlimit(RLIMIT_CORE, &none) == -1 ||
	    setrlimit(RLIMIT_NPROC, &none) == -1 || setrlimit(RLIMIT_NOFILE, &few) == -1)
		return ERR_SYS;
	ctx = seccomp_init(SANDBOX_DEFAULT);
	if (ctx == NULL)
		return ERR_NOMEM;
	/* no-new-privileges comes with it */
	if (allow_some(ctx) == 0 && seccomp_load(ctx) == 0)
		r = 0;
	seccomp_release(ctx);
	return r;
}
