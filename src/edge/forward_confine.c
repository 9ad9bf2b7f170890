/*
 * The confinement of the forwarder, which holds the connections of strangers and parses nothing of them.  It
 * opens nothing, and sends nothing that has not come from another socket.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/filter.h"
#include "base/reexec.h"
#include "edge/edge.h"
#include "edge/forward.h"

/* FORWARDER_MAX connections (forward.c), each less than 1 KiB. */
#define FORWARD_DATA_MAX ((rlim_t)128 * 1024 * 1024)

/* clang-format off */
#define ALWAYS		{ { FILTER_ANY, 0, 0 } }
#define ONLY(n, v)	{ { FILTER_IS, n, v } }
#define BOTH(n, v, m, w) { { FILTER_IS, n, v }, { FILTER_IS, m, w } }
/* clang-format on */

static const struct filter_rule forward_calls[] = {
	/* from a descriptor to another, neither at an offset */
	{ "splice", BOTH(1, 0, 3, 0) },
	{ "pipe2", ONLY(1, O_CLOEXEC | O_NONBLOCK) },
	{ "fcntl", ONLY(1, F_SETPIPE_SZ) },
	{ "fcntl64", ONLY(1, F_SETPIPE_SZ) },
	{ "shutdown", ALWAYS },
	{ "close", ALWAYS },

	/* sockets as they come */
	{ "fcntl", ONLY(1, F_GETFL) },
	{ "fcntl64", ONLY(1, F_GETFL) },
	{ "fcntl", ONLY(1, F_SETFL) },
	{ "fcntl64", ONLY(1, F_SETFL) },
	{ "setsockopt", BOTH(1, IPPROTO_TCP, 2, TCP_NODELAY) },
	{ "setsockopt", BOTH(1, SOL_SOCKET, 2, SO_LINGER) },
	{ "getsockopt", BOTH(1, SOL_SOCKET, 2, SO_TYPE) },
	{ "getsockopt", BOTH(1, SOL_SOCKET, 2, SO_ERROR) },
	{ "getpeername", ALWAYS },

	/* messages of the master and of errands; the master alone gets an answer, without a descriptor */
	{ "recvmsg", ALWAYS },
	{ "sendto", BOTH(0, REEXEC_SOCKET, 4, 0) },
	{ "epoll_ctl", ALWAYS },
	{ "epoll_wait", ALWAYS },
	{ "epoll_pwait", ALWAYS },
	{ "clock_gettime", ALWAYS },
	{ "clock_gettime64", ALWAYS },

	/* the log */
	{ "write", ONLY(0, STDERR_FILENO) },
	{ "writev", ONLY(0, STDERR_FILENO) },
	{ "poll", ALWAYS },
	{ "ppoll", ALWAYS },
	{ "ppoll_time64", ALWAYS },
	{ "getpid", ALWAYS },

	/* memory, none of it to run */
	{ "brk", ALWAYS },
	{ "mmap", { { FILTER_LACKS, 2, PROT_EXEC } } },
	{ "mmap2", { { FILTER_LACKS, 2, PROT_EXEC } } },
	{ "mremap", ALWAYS },
	{ "munmap", ALWAYS },
	{ "madvise", ALWAYS },
	{ "futex", ALWAYS },

	{ "rt_sigprocmask", ALWAYS },
	{ "rt_sigreturn", ALWAYS },
	{ "restart_syscall", ALWAYS },
	{ "exit", ALWAYS },
	{ "exit_group", ALWAYS },

#ifdef SALLYPORT_ASAN
	{ "sigaltstack", ALWAYS },
	{ "mprotect", ALWAYS },
	{ "sched_yield", ALWAYS },
	{ "write", ALWAYS },
#endif
};

#define FORWARD_CALLS (sizeof(forward_calls) / sizeof(forward_calls[0]))

static int
forward_filter(int signals)
{
	struct filter_rule rules[FORWARD_CALLS + 1];

	memcpy(rules, forward_calls, sizeof(forward_calls));
	rules[FORWARD_CALLS] = (struct filter_rule){ "read", ONLY(0, (uint64_t)signals) };
	return filter_enter(FILTER_ALLOW, rules, FORWARD_CALLS + 1);
}

int
forward_confine(int signals)
{
	const int r = edge_give_up(FORWARD_DATA_MAX);

	return r == 0 ? forward_filter(signals) : r;
}
