/*
 * The confinement of edge, which is the first to read what strangers send through a load balancer.  It has
 * no file and no key, opens nothing, and can write to no socket but the master's.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/filter.h"
#include "base/landlock.h"
#include "base/privs.h"
#include "base/reexec.h"
#include "edge/edge.h"

/* Its table of connections, and the buffers, take less than 1 MiB. */
#define EDGE_DATA_MAX ((rlim_t)16 * 1024 * 1024)

/* clang-format off */
#define ALWAYS		{ { FILTER_ANY, 0, 0 } }
#define ONLY(n, v)	{ { FILTER_IS, n, v } }
/* clang-format on */

static const struct filter_rule edge_calls[] = {
	/* messages of the master, which alone can pass a descriptor; and answers, without an address
	 * and on no other socket */
	{ "recvmsg", ONLY(0, REEXEC_SOCKET) },
	{ "sendto", { { FILTER_IS, 0, REEXEC_SOCKET }, { FILTER_IS, 4, 0 } } },
	/* what clients send */
	{ "recvfrom", ALWAYS },
	{ "epoll_ctl", ALWAYS },
	{ "epoll_wait", ALWAYS },
	{ "epoll_pwait", ALWAYS },
	{ "poll", ALWAYS },
	{ "ppoll", ALWAYS },
	{ "ppoll_time64", ALWAYS },
	{ "close", ALWAYS },

	/* memory, none of it to run */
	{ "brk", ALWAYS },
	{ "mmap", { { FILTER_LACKS, 2, PROT_EXEC } } },
	{ "mmap2", { { FILTER_LACKS, 2, PROT_EXEC } } },
	{ "mremap", ALWAYS },
	{ "munmap", ALWAYS },
	{ "madvise", ALWAYS },
	{ "futex", ALWAYS },

	/* the C library writes why before it calls abort(3) */
	{ "write", ONLY(0, STDERR_FILENO) },
	{ "writev", ONLY(0, STDERR_FILENO) },
	{ "rt_sigprocmask", ALWAYS },
	{ "rt_sigreturn", ALWAYS },
	{ "restart_syscall", ALWAYS },
	{ "exit", ALWAYS },
	{ "exit_group", ALWAYS },

#ifdef SALLYPORT_ASAN
	{ "sigaltstack", ALWAYS },
	{ "mprotect", ALWAYS },
	{ "sched_yield", ALWAYS },
	{ "getpid", ALWAYS },
	{ "write", ALWAYS },
#endif
};

int
edge_give_up(rlim_t data_max)
{
	const struct rlimit none = { 0, 0 }, data = { data_max, data_max };
	struct landlock *l;
	int r;

	if (prctl(PR_SET_DUMPABLE, 0) == -1 || setrlimit(RLIMIT_CORE, &none) == -1)
		return ERR_SYS;
#ifndef SALLYPORT_ASAN
	if (setrlimit(RLIMIT_DATA, &data) == -1)
		return ERR_SYS;
#else
	(void)data;
#endif
	r = privs_limit_capabilities(0);
	if (r != 0)
		return r;
	/* where there is no Landlock, the filter alone keeps it from files */
	r = landlock_new(&l, LANDLOCK_FILES | LANDLOCK_TCP | LANDLOCK_REACH);
	if (r == 0) {
		r = landlock_enter(l);
		landlock_free(&l);
	} else if (r == ERR_SYS) {
		r = 0;
	}
	return r;
}

int
edge_confine(void)
{
	const int r = edge_give_up(EDGE_DATA_MAX);

	return r == 0 ?
	    filter_enter(FILTER_ALLOW, edge_calls, sizeof(edge_calls) / sizeof(edge_calls[0])) :
	    r;
}
