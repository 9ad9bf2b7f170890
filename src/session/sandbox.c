/*
 * What a session may ask of the kernel.  Everything else kills it: in particular
 * open, connect, fork, exec, ptrace and every way to another process.
 *
 * What stays open to a session that has been taken over, because it is the session's own or its work:
 * it reads and writes its client's socket, its machine's and the keeper's; it shuts its sockets down for
 * writing and closes its descriptors; it makes event counters, at most RLIMIT_NOFILE descriptors in all;
 * it takes memory up to SANDBOX_DATA_MAX, never to run; it ends itself, by SIGABRT too; it uses CPU time
 * until the master or the operator ends it; it reads the clock.
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

/* Sanitizers look around more than we do; under them a foreign call fails instead. */
#ifdef SALLYPORT_ASAN
#define SANDBOX_DEFAULT SCMP_ACT_ERRNO(EPERM)
#else
#define SANDBOX_DEFAULT SCMP_ACT_KILL_PROCESS
#endif

/* 0 to 2, a client, a keeper, signals, an event counter for each leg and a machine are 9. */
#define SANDBOX_DESCRIPTORS 16

/*
 * Memory that can be written.  A session whose peers read nothing has needed 9.5 MiB; what the limits in
 * transport/ add up to is 40 MiB: LEG_OUTPUT_MAX for each leg, and LEG_LATE_BYTES.
 */
#define SANDBOX_DATA_MAX ((rlim_t)48 * 1024 * 1024)

/* The stack does not count as data.  A key exchange uses 256 KiB; the environment lies on it, too. */
#define SANDBOX_STACK_MAX ((rlim_t)4 * 1024 * 1024)

static const int plain_calls[] = {
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

/* The argument has no bits but these; of an int the kernel takes 32, and all 64 are looked at. */
#define ONLY(arg, bits) SCMP_CMP((arg), SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)(bits), 0)
#define IS(arg, value) SCMP_CMP((arg), SCMP_CMP_EQ, (scmp_datum_t)(value), 0)

struct rule {
	int call;
	unsigned int n;
	struct scmp_arg_cmp args[4];
};

static int
policy_add(scmp_filter_ctx ctx, const struct rule *rules, size_t n)
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
allow_memory(scmp_filter_ctx ctx)
{
#ifdef SALLYPORT_ASAN
	return 0;
#else
	const struct rule rules[] = {
		/* What malloc(3) does.  All of it counts for RLIMIT_DATA: shared memory would not, nor what
		 * grows like a stack, nor what is writable only later; for that reason, and because no
		 * memory is ever to be run, there is no mprotect(2). */
		{ SCMP_SYS(mmap), 2,
		    { IS(2, PROT_READ | PROT_WRITE), IS(3, MAP_PRIVATE | MAP_ANONYMOUS) } },
		/* what realloc(3) does; no place of its choice, no second mapping of the same */
		{ SCMP_SYS(mremap), 1, { IS(3, MREMAP_MAYMOVE) } },
		/* free(3) gives back; with huge pages in GLIBC_TUNABLES malloc(3) asks for them */
		{ SCMP_SYS(madvise), 1, { IS(2, MADV_DONTNEED) } },
		{ SCMP_SYS(madvise), 1, { IS(2, MADV_HUGEPAGE) } },
		/* pthread_once(3) wakes nobody; no other operation is needed by a lone thread */
		{ SCMP_SYS(futex), 1, { IS(1, FUTEX_WAKE_PRIVATE) } },
		{ SCMP_SYS(futex), 1, { IS(1, FUTEX_WAIT_PRIVATE) } },
	};

	return policy_add(ctx, rules, sizeof(rules) / sizeof(rules[0]));
#endif
}

/* Calls on descriptors. */
static int
allow_descriptors(scmp_filter_ctx ctx, int receiver)
{
	/* 3, 4 to 7, 8 to 15: from 3 to the last one there may be */
	static const struct {
		scmp_datum_t mask, value;
	} own[] = { { ~(scmp_datum_t)0, 3 }, { ~(scmp_datum_t)3, 4 }, { ~(scmp_datum_t)7, 8 } };
	const struct rule rules[] = {
		/* to the other end alone: no address, so that nothing connects in passing */
		{ SCMP_SYS(sendto), 2, { ONLY(3, MSG_NOSIGNAL | MSG_DONTWAIT), IS(4, 0) } },
		/* the keeper alone passes descriptors; nobody is passed any: there is no sendmsg(2) */
		{ SCMP_SYS(recvmsg), 1, { IS(0, receiver) } },
		/* /dev/null: where the C library complains, and then calls abort(3) */
		{ SCMP_SYS(write), 1, { IS(0, STDERR_FILENO) } },
		{ SCMP_SYS(writev), 1, { IS(0, STDERR_FILENO) } },
		{ SCMP_SYS(fcntl), 1, { IS(1, F_GETFL) } },
		{ SCMP_SYS(setsockopt), 2, { IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY) } },
		/* see gather.h */
		{ SCMP_SYS(setsockopt), 2, { IS(1, SOL_SOCKET), IS(2, SO_RCVLOWAT) } },
		/* libssh wants a descriptor for each leg that is never ready */
		{ SCMP_SYS(eventfd2), 2, { IS(0, 0), IS(1, EFD_CLOEXEC | EFD_NONBLOCK) } },
	};
	size_t i;

	if (policy_add(ctx, rules, sizeof(rules) / sizeof(rules[0])) != 0)
		return ERR_SYS;
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		const struct scmp_arg_cmp fd = SCMP_CMP(0, SCMP_CMP_MASKED_EQ, own[i].mask,
		    own[i].value);
		const struct rule those[] = {
			{ SCMP_SYS(shutdown), 2, { fd, IS(1, SHUT_WR) } },
			{ SCMP_SYS(fcntl), 3,
			    { fd, IS(1, F_SETFL), ONLY(2, O_RDWR | O_NONBLOCK) } },
		};

		if (policy_add(ctx, those, sizeof(those) / sizeof(those[0])) != 0)
			return ERR_SYS;
	}
	return 0;
}

static int
allow_some(scmp_filter_ctx ctx, int receiver)
{
	/* abort(3) raises a signal at this thread: at no other process, which may have the same user */
	const struct rule abort_rule = { SCMP_SYS(tgkill), 3,
		{ IS(0, getpid()), IS(1, gettid()), IS(2, SIGABRT) } };
	size_t i;

	for (i = 0; i < sizeof(plain_calls) / sizeof(plain_calls[0]); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, plain_calls[i], 0) != 0)
			return ERR_SYS;
	if (allow_memory(ctx) != 0 || allow_descriptors(ctx, receiver) != 0)
		return ERR_SYS;
	return policy_add(ctx, &abort_rule, 1);
}

/* At most so much; what is lower already stays so. */
static int
limit_at(int resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) == -1)
		return ERR_SYS;
	if (limit.rlim_cur > most)
		limit.rlim_cur = most;
	limit.rlim_max = limit.rlim_cur;
	return setrlimit((__rlimit_resource_t)resource, &limit) == -1 ? ERR_SYS : 0;
}

static int
limit_all(void)
{
	if (limit_at(RLIMIT_CORE, 0) != 0 || limit_at(RLIMIT_NPROC, 0) != 0 ||
	    limit_at(RLIMIT_NOFILE, SANDBOX_DESCRIPTORS) != 0)
		return ERR_SYS;
#ifndef SALLYPORT_ASAN
	if (limit_at(RLIMIT_DATA, SANDBOX_DATA_MAX) != 0 ||
	    limit_at(RLIMIT_STACK, SANDBOX_STACK_MAX) != 0)
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
	/* out of the way of both numbers first: either may have the other's */
	from[0] = fcntl(client, F_DUPFD_CLOEXEC, SESSION_KEEPER + 1);
	from[1] = fcntl(keeper, F_DUPFD_CLOEXEC, SESSION_KEEPER + 1);
	if (from[0] == -1 || from[1] == -1)
		return ERR_SYS;
	close(client);
	close(keeper);
	if (dup3(from[0], SESSION_CLIENT, O_CLOEXEC) == -1 ||
	    dup3(from[1], SESSION_KEEPER, O_CLOEXEC) == -1)
		return ERR_SYS;
	close(from[0]);
	close(from[1]);
	return 0;
}

int
sandbox_enter(int receiver)
{
	scmp_filter_ctx ctx;
	int r = ERR_SYS;

	if (prctl(PR_SET_DUMPABLE, 0) == -1 || limit_all() != 0)
		return ERR_SYS;
	ctx = seccomp_init(SANDBOX_DEFAULT);
	if (ctx == NULL)
		return ERR_NOMEM;
	/* the two that carry the data are looked for first; no-new-privileges comes with the filter */
	(void)seccomp_syscall_priority(ctx, SCMP_SYS(sendto), 255);
	(void)seccomp_syscall_priority(ctx, SCMP_SYS(recvfrom), 254);
	if (allow_some(ctx, receiver) == 0 && seccomp_load(ctx) == 0)
		r = 0;
	seccomp_release(ctx);
	return r;
}
