/*
 * The sandbox of a session: the system calls it may make (seccomp), and its limits.  Every
 * other call kills it, in particular open, connect, fork, exec, ptrace and every way to
 * another process.  The errand that looks at host keys enters it as well.
 *
 * A session that has been taken over still can do what its work needs: read and write the
 * sockets of its client, its upstream (or, with Mode = jump, its machines) and the keeper, shut them
 * down for writing and close them; make event counters, at most RLIMIT_NOFILE descriptors in all; take memory up to
 * SANDBOX_DATA_MAX, none of it executable; end itself, also by SIGABRT; use CPU time until
 * the master or the operator ends it; read the clock.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/err.h"
#include "base/fd.h"
#include "session/session.h"

/* Sanitizers make more calls than we do; with them a forbidden call fails instead. */
#ifdef SALLYPORT_ASAN
#define SANDBOX_DEFAULT SCMP_ACT_ERRNO(EPERM)
#else
#define SANDBOX_DEFAULT SCMP_ACT_KILL_PROCESS
#endif

/* 0 to 2, client, keeper, signals, upstream and an event counter for each leg are 9; with Mode = jump
 * there are JUMP_CHANNELS_MAX machines in place of the upstream. */
#define SANDBOX_DESCRIPTORS 64

/*
 * Writable memory.  A session whose peers read nothing has needed 9.5 MiB; the limits in
 * transport/ add up to 40 MiB: LEG_OUTPUT_MAX for each leg, and LEG_LATE_BYTES.
 */
#define SANDBOX_DATA_MAX ((rlim_t)48 * 1024 * 1024)

/* The stack, which is no part of that.  A key exchange uses 256 KiB; the environment is on
 * it as well. */
#define SANDBOX_STACK_MAX ((rlim_t)4 * 1024 * 1024)

static const int sandbox_plain_calls[] = {
	SCMP_SYS(recvfrom),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(close),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
#ifdef SALLYPORT_ASAN
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(sched_yield),
	SCMP_SYS(prctl),
#endif
};

/* The argument has no other bits set.  The filter compares 64 bits, also where the kernel
 * takes an int. */
#define ONLY(arg, bits) SCMP_CMP((arg), SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)(bits), 0)
#define IS(arg, value) SCMP_CMP((arg), SCMP_CMP_EQ, (scmp_datum_t)(value), 0)

struct sandbox_rule {
	int call;
	unsigned int n;
	struct scmp_arg_cmp args[4];
};

static int
sandbox_add_rules(scmp_filter_ctx ctx, const struct sandbox_rule *rules, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rules[i].call, rules[i].n,
			rules[i].args) != 0)
			return ERR_SYS;
	return 0;
}

/* Calls on memory. */
static int
sandbox_allow_memory(scmp_filter_ctx ctx)
{
#ifdef SALLYPORT_ASAN
	return 0;
#else
	const struct sandbox_rule rules[] = {
		/* As malloc(3) does.  All of it counts for RLIMIT_DATA; shared memory would
		 * not, nor memory that grows like a stack or becomes writable later.  That
		 * is one reason why there is no mprotect(2); the other is that no memory is
		 * ever to be executable. */
		{ SCMP_SYS(mmap), 2,
		    { IS(2, PROT_READ | PROT_WRITE), IS(3, MAP_PRIVATE | MAP_ANONYMOUS) } },
		/* as realloc(3) does: no chosen address, no second mapping of the same memory */
		{ SCMP_SYS(mremap), 1, { IS(3, MREMAP_MAYMOVE) } },
		/* free(3) gives memory back; malloc(3) may ask for huge pages (GLIBC_TUNABLES) */
		{ SCMP_SYS(madvise), 1, { IS(2, MADV_DONTNEED) } },
		{ SCMP_SYS(madvise), 1, { IS(2, MADV_HUGEPAGE) } },
		/* pthread_once(3); a lone thread needs no other operation */
		{ SCMP_SYS(futex), 1, { IS(1, FUTEX_WAKE_PRIVATE) } },
		{ SCMP_SYS(futex), 1, { IS(1, FUTEX_WAIT_PRIVATE) } },
	};

	return sandbox_add_rules(ctx, rules, sizeof(rules) / sizeof(rules[0]));
#endif
}

/* Calls on descriptors. */
static int
sandbox_allow_descriptors(scmp_filter_ctx ctx, int receiver)
{
	/* 3, 4 to 7, 8 to 15, 16 to 31, 32 to 63: all from 3 to SANDBOX_DESCRIPTORS */
	static const struct {
		scmp_datum_t mask, value;
	} own[] = { { ~(scmp_datum_t)0, 3 }, { ~(scmp_datum_t)3, 4 }, { ~(scmp_datum_t)7, 8 },
		{ ~(scmp_datum_t)15, 16 }, { ~(scmp_datum_t)31, 32 } };
	const struct sandbox_rule rules[] = {
		/* without an address, so that sending never connects a socket */
		{ SCMP_SYS(sendto), 2, { ONLY(3, MSG_NOSIGNAL | MSG_DONTWAIT), IS(4, 0) } },
		/* only the keeper can pass a descriptor; none can be passed on, without
		 * sendmsg(2) */
		{ SCMP_SYS(recvmsg), 1, { IS(0, receiver) } },
		/* /dev/null: the C library writes there before it calls abort(3) */
		{ SCMP_SYS(write), 1, { IS(0, STDERR_FILENO) } },
		{ SCMP_SYS(writev), 1, { IS(0, STDERR_FILENO) } },
		{ SCMP_SYS(fcntl), 1, { IS(1, F_GETFL) } },
		{ SCMP_SYS(setsockopt), 2, { IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY) } },
		/* rx_coalesce.h */
		{ SCMP_SYS(setsockopt), 2, { IS(1, SOL_SOCKET), IS(2, SO_RCVLOWAT) } },
		/* leg_new.c gives libssh a descriptor for each leg that is never ready */
		{ SCMP_SYS(eventfd2), 2, { IS(0, 0), IS(1, EFD_CLOEXEC | EFD_NONBLOCK) } },
	};
	size_t i;

	if (sandbox_add_rules(ctx, rules, sizeof(rules) / sizeof(rules[0])) != 0)
		return ERR_SYS;
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		const struct scmp_arg_cmp fd = SCMP_CMP(0, SCMP_CMP_MASKED_EQ, own[i].mask,
		    own[i].value);
		const struct sandbox_rule those[] = {
			{ SCMP_SYS(shutdown), 2, { fd, IS(1, SHUT_WR) } },
			/* musl adds O_LARGEFILE; in glibc it is 0 where files are always large */
			{ SCMP_SYS(fcntl), 3,
			    { fd, IS(1, F_SETFL), ONLY(2, O_RDWR | O_NONBLOCK | O_LARGEFILE) } },
		};

		if (sandbox_add_rules(ctx, those, sizeof(those) / sizeof(those[0])) != 0)
			return ERR_SYS;
	}
	return 0;
}

static int
sandbox_allow(scmp_filter_ctx ctx, int receiver)
{
	/* abort(3) sends itself a signal, with musl by tkill(2); another process may have the same
	 * user, and gets none */
	const struct sandbox_rule abort_rules[] = {
		{ SCMP_SYS(tgkill), 3, { IS(0, getpid()), IS(1, gettid()), IS(2, SIGABRT) } },
		{ SCMP_SYS(tkill), 2, { IS(0, gettid()), IS(1, SIGABRT) } },
	};
	size_t i;

	for (i = 0; i < sizeof(sandbox_plain_calls) / sizeof(sandbox_plain_calls[0]); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, sandbox_plain_calls[i], 0) != 0)
			return ERR_SYS;
	if (sandbox_allow_memory(ctx) != 0 || sandbox_allow_descriptors(ctx, receiver) != 0)
		return ERR_SYS;
	return sandbox_add_rules(ctx, abort_rules, sizeof(abort_rules) / sizeof(abort_rules[0]));
}

/* Lower a limit to most, unless it is lower already. */
static int
sandbox_limit(int resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) == -1)
		return ERR_SYS;
	if (limit.rlim_cur > most)
		limit.rlim_cur = most;
	limit.rlim_max = limit.rlim_cur;
	return setrlimit(resource, &limit) == -1 ? ERR_SYS : 0;
}

static int
sandbox_limits(void)
{
	if (sandbox_limit(RLIMIT_CORE, 0) != 0 || sandbox_limit(RLIMIT_NPROC, 0) != 0 ||
	    sandbox_limit(RLIMIT_NOFILE, SANDBOX_DESCRIPTORS) != 0)
		return ERR_SYS;
#ifndef SALLYPORT_ASAN
	if (sandbox_limit(RLIMIT_DATA, SANDBOX_DATA_MAX) != 0 ||
	    sandbox_limit(RLIMIT_STACK, SANDBOX_STACK_MAX) != 0)
		return ERR_SYS;
#endif
	return 0;
}

int
sandbox_descriptors(int client, int keeper)
{
	int fd, last = STDERR_FILENO, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int from[2];

#ifdef SALLYPORT_ASAN
	last = STDOUT_FILENO; /* reports go to the log */
#endif
	if (null == -1)
		return ERR_SYS;
	for (fd = STDIN_FILENO; fd <= last; fd++)
		if (dup2(null, fd) == -1)
			return ERR_SYS;
	close(null);
	/* first above both numbers: each socket may have the number meant for the other */
	from[0] = client == -1 ? -1 : fcntl(client, F_DUPFD_CLOEXEC, SESSION_KEEPER + 1);
	from[1] = fcntl(keeper, F_DUPFD_CLOEXEC, SESSION_KEEPER + 1);
	if ((client != -1 && from[0] == -1) || from[1] == -1)
		return ERR_SYS;
	fd_close(&client);
	fd_close(&keeper);
	if ((from[0] != -1 && dup3(from[0], SESSION_CLIENT, O_CLOEXEC) == -1) ||
	    dup3(from[1], SESSION_KEEPER, O_CLOEXEC) == -1)
		return ERR_SYS;
	fd_close(&from[0]);
	fd_close(&from[1]);
	return 0;
}

int
sandbox_enter(int receiver)
{
	scmp_filter_ctx ctx;
	int r = ERR_SYS;

	if (prctl(PR_SET_DUMPABLE, 0) == -1 || sandbox_limits() != 0)
		return ERR_SYS;
	ctx = seccomp_init(SANDBOX_DEFAULT);
	if (ctx == NULL)
		return ERR_NOMEM;
	/* the filter tests the two calls that carry data first; it sets no-new-privileges, too */
	(void)seccomp_syscall_priority(ctx, SCMP_SYS(sendto), 255);
	(void)seccomp_syscall_priority(ctx, SCMP_SYS(recvfrom), 254);
	if (sandbox_allow(ctx, receiver) == 0 && seccomp_load(ctx) == 0)
		r = 0;
	seccomp_release(ctx);
	return r;
}
