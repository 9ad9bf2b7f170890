/*
 * The lists of system calls for errands and lookup programs.  Called by confine.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/filter.h"
#include "errand/calls.h"

/* ioprio_set(2) has no header. */
#define IOPRIO_WHO_PROCESS 1

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* A rule for a call with any arguments, for one that fails with an errno, and both with a condition on an
 * argument: how to compare, which argument, with what. */
#define CALL(name)             \
	{                      \
		.call = (name) \
	}
#define FAILS(name, with)                                             \
	{                                                             \
		.call = (name), .args = { { FILTER_FAILS, 0, with } } \
	}
#define CALL_IF(name, ...)                                  \
	{                                                   \
		.call = (name), .args = { { __VA_ARGS__ } } \
	}
#define FAILS_IF(name, with, ...)                                                      \
	{                                                                              \
		.call = (name), .args = { { __VA_ARGS__ }, { FILTER_FAILS, 0, with } } \
	}

/* --- every errand --- */

/* No memory can be made executable; tgkill(2), and tkill(2) of musl, are for abort(3), which signals its own
 * thread. */
#define CALLS_OF_ALL                                                                               \
	CALL("read"), CALL("write"), CALL("recvfrom"), CALL("recvmsg"), CALL("sendto"),            \
	    CALL("sendmsg"), CALL("poll"), CALL("ppoll"), CALL("close"), CALL("brk"),              \
	    CALL("munmap"), CALL("mremap"), CALL("madvise"), CALL("futex"), CALL("clock_gettime"), \
	    CALL("gettimeofday"), CALL("getpid"), CALL("gettid"), CALL("getrandom"),               \
	    CALL("rt_sigreturn"), CALL("rt_sigprocmask"), CALL("restart_syscall"), CALL("exit"),   \
	    CALL("exit_group"), CALL_IF("mmap", FILTER_LACKS, 2, PROT_EXEC),                       \
	    CALL_IF("mprotect", FILTER_LACKS, 2, PROT_EXEC),                                       \
	    { .call = "tkill",                                                                     \
		    .args = { { FILTER_IS_OURSELVES, 0, 0 }, { FILTER_IS, 1, SIGABRT } } },        \
	{                                                                                          \
		.call = "tgkill", .args = {                                                        \
			{ FILTER_IS_OURSELVES, 0, 0 },                                             \
			{ FILTER_IS_OURSELVES, 1, 0 },                                             \
			{ FILTER_IS, 2, SIGABRT }                                                  \
		}                                                                                  \
	}

/* --- the errand that checks a password --- */

static const struct filter_rule password_calls[] = {
	CALLS_OF_ALL, CALL("mlock"), CALL("mlock2"), CALL("munlock"),
#ifdef SALLYPORT_ASAN
	CALL("sigaltstack"), /* ASan calls it before _exit(2) */
#endif
};

int
calls_password(void)
{
	return filter_enter(FILTER_ALLOW, password_calls, COUNT(password_calls));
}

/* --- the dialler --- */

static const struct filter_rule dialler_calls[] = {
	CALLS_OF_ALL,
	CALL_IF("socket", FILTER_IS, 0, AF_UNIX),
	CALL_IF("socket", FILTER_IS, 0, AF_INET),
	CALL_IF("socket", FILTER_IS, 0, AF_INET6),
	CALL("connect"),
	CALL_IF("getsockopt", FILTER_IS, 2, SO_ERROR),
	CALL("epoll_ctl"),
	CALL("epoll_wait"),
	CALL("epoll_pwait"),
#ifdef SALLYPORT_ASAN
	CALL("sigaltstack"),
#endif
};

int
calls_dialler(void)
{
	return filter_enter(FILTER_ALLOW, dialler_calls, COUNT(dialler_calls));
}

/* --- the errand that dials --- */

static const struct filter_rule dial_calls[] = {
	CALLS_OF_ALL,
	/* sockets; which families, see below */
	CALL("connect"),
	CALL("bind"), /* of the netlink socket that lists this host's addresses */
	CALL("shutdown"),
	CALL("recvmmsg"),
	CALL("sendmmsg"),
	CALL("readv"),
	CALL("writev"),
	CALL("getsockname"),
	CALL("getpeername"),
	CALL("getsockopt"),
	CALL("setsockopt"),
	/* waiting */
	CALL("select"),
	CALL("_newselect"),
	CALL("pselect6"),
	CALL("epoll_create1"),
	CALL("epoll_ctl"),
	CALL("epoll_wait"),
	CALL("epoll_pwait"),
	CALL("epoll_pwait2"),
	CALL("eventfd2"),
	CALL("timerfd_create"),
	CALL("timerfd_settime"),
	CALL("signalfd4"),
	CALL("pipe2"),
	CALL("nanosleep"),
	CALL("clock_nanosleep"),
	CALL("time"),
	/* files; opening them, see below */
	CALL("access"),
	CALL("faccessat"),
	CALL("faccessat2"),
	CALL("stat"),
	CALL("lstat"),
	CALL("fstat"),
	CALL("newfstatat"),
	CALL("fstatat64"),
	CALL("statx"),
	CALL("statfs"),
	CALL("fstatfs"),
	CALL("readlink"),
	CALL("readlinkat"),
	CALL("getcwd"),
	CALL("getdents64"),
	CALL("lseek"),
	CALL("pread64"),
	CALL("fadvise64"),
	CALL("dup"),
	/* the process itself */
	CALL("getppid"),
	CALL("getuid"),
	CALL("geteuid"),
	CALL("getgid"),
	CALL("getegid"),
	CALL("getresuid"),
	CALL("getresgid"),
	CALL("getgroups"),
	CALL("getrlimit"),
	CALL("getrusage"),
	CALL("uname"),
	CALL("sysinfo"),
	CALL("clock_getres"),
	CALL("sched_yield"),
	CALL("sched_getaffinity"),
	CALL("rt_sigaction"),
	CALL("rt_sigpending"),
	CALL("rt_sigtimedwait"),
	CALL("sigaltstack"),
	CALL("rseq"),
	CALL("set_robust_list"),
	CALL("set_tid_address"),
	CALL("membarrier"),
	CALL("alarm"),
	CALL("setitimer"),
	/* questions about a descriptor and about interfaces */
	CALL_IF("ioctl", FILTER_IS, 1, FIONREAD),
	CALL_IF("ioctl", FILTER_IS, 1, FIONBIO),
	CALL_IF("ioctl", FILTER_IS, 1, TCGETS),
	CALL_IF("ioctl", FILTER_IS, 1, SIOCGIFNAME),
	CALL_IF("ioctl", FILTER_IS, 1, SIOCGIFINDEX),
	CALL_IF("ioctl", FILTER_IS, 1, SIOCGIFFLAGS),
	CALL_IF("ioctl", FILTER_IS, 1, SIOCGIFADDR),
	CALL_IF("ioctl", FILTER_IS, 1, SIOCGIFNETMASK),
	CALL_IF("ioctl", FILTER_IS, 1, SIOCGIFCONF),
	/* not F_SETOWN: it says which process gets SIGIO */
	CALL_IF("fcntl", FILTER_IS, 1, F_DUPFD),
	CALL_IF("fcntl", FILTER_IS, 1, F_DUPFD_CLOEXEC),
	CALL_IF("fcntl", FILTER_IS, 1, F_GETFD),
	CALL_IF("fcntl", FILTER_IS, 1, F_SETFD),
	CALL_IF("fcntl", FILTER_IS, 1, F_GETFL),
	CALL_IF("fcntl", FILTER_IS, 1, F_SETFL),
	/* of netlink NETLINK_ROUTE alone */
	CALL_IF("socket", FILTER_IS, 0, AF_UNIX),
	CALL_IF("socket", FILTER_IS, 0, AF_INET),
	CALL_IF("socket", FILTER_IS, 0, AF_INET6),
	{ .call = "socket", .args = { { FILTER_IS, 0, AF_NETLINK }, { FILTER_IS, 2, 0 } } },
	/* files are opened for reading only */
	CALL_IF("openat", FILTER_LACKS, 2, O_ACCMODE | O_CREAT | O_TRUNC),
	FAILS_IF("openat", EPERM, FILTER_HAS, 2, O_WRONLY),
	FAILS_IF("openat", EPERM, FILTER_HAS, 2, O_RDWR),
	FAILS_IF("openat", EPERM, FILTER_HAS, 2, O_CREAT),
	FAILS_IF("openat", EPERM, FILTER_HAS, 2, O_TRUNC),
	/* musl opens them with open(2) */
	CALL_IF("open", FILTER_LACKS, 1, O_ACCMODE | O_CREAT | O_TRUNC),
	FAILS_IF("open", EPERM, FILTER_HAS, 1, O_WRONLY),
	FAILS_IF("open", EPERM, FILTER_HAS, 1, O_RDWR),
	FAILS_IF("open", EPERM, FILTER_HAS, 1, O_CREAT),
	FAILS_IF("open", EPERM, FILTER_HAS, 1, O_TRUNC),
	/* a library: executable, from a file, and not writable */
	{ .call = "mmap",
	    .args = { { FILTER_LACKS, 2, PROT_WRITE }, { FILTER_LACKS, 3, MAP_ANONYMOUS } } },
	/* limits can be read, not set */
	{ .call = "prlimit64", .args = { { FILTER_IS, 0, 0 }, { FILTER_IS, 2, 0 } } },
	/* calls that a module of nsswitch.conf(5) may try and can do without */
	FAILS("creat", EPERM),
	FAILS("memfd_create", EPERM),
	FAILS("inotify_init1", EPERM),
	FAILS("name_to_handle_at", EPERM),
	FAILS("getxattr", EPERM),
	FAILS("lgetxattr", EPERM),
	FAILS("fgetxattr", EPERM),
	FAILS("mkdir", EPERM),
	FAILS("mkdirat", EPERM),
	FAILS("unlink", EPERM),
	FAILS("unlinkat", EPERM),
	FAILS("rename", EPERM),
	FAILS("renameat", EPERM),
	FAILS("renameat2", EPERM),
	FAILS("ftruncate", EPERM),
	FAILS("fallocate", EPERM),
	FAILS("flock", EPERM),
	FAILS("umask", EPERM),
	FAILS("chdir", EPERM),
	FAILS("mlock", EPERM),
	FAILS("kill", EPERM),
	FAILS("setpriority", EPERM),
	FAILS("getpriority", EPERM),
	/* ENOSYS makes the C library use the older call */
	FAILS("clone3", ENOSYS),
	FAILS("openat2", ENOSYS),
	FAILS("pidfd_open", ENOSYS),
};

static const struct filter_rule dial_only[] = {
	FAILS("prctl", EPERM),
};

/* To enter a session's sandbox afterwards: another filter and resource limits. */
static const struct filter_rule look_only[] = {
	CALL("prctl"),
	CALL("seccomp"),
	CALL_IF("prlimit64", FILTER_IS, 0, 0),
};

/* No process, and no thread. */
static const struct filter_rule alone_only[] = {
	FAILS("clone", EPERM),
	FAILS("fork", EPERM), /* musl's */
	FAILS("socketpair", EPERM),
	FAILS("close_range", ENOSYS),
};

/* A process that carries a TLS connection: it is made by fork(3), and enters a session's sandbox.  No thread. */
static const struct filter_rule tls_only[] = {
	CALL_IF("clone", FILTER_IS, 0, CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD),
	CALL_IF("clone", FILTER_IS, 0, SIGCHLD),
	FAILS_IF("clone", EPERM, FILTER_HAS, 0, CLONE_VM),
	CALL("fork"),
	CALL_IF("socketpair", FILTER_IS, 0, AF_UNIX),
	CALL("close_range"),
};

/* Enter the filter of dial_calls and what is added to it. */
static int
calls_resolver(int sandbox, int tls)
{
	const struct filter_rule *more[] = { sandbox ? look_only : dial_only,
		tls ? tls_only : alone_only };
	const size_t n[] = { sandbox ? COUNT(look_only) : COUNT(dial_only),
		tls ? COUNT(tls_only) : COUNT(alone_only) };
	struct filter_rule rules[COUNT(dial_calls) + COUNT(look_only) + COUNT(tls_only)];

	memcpy(rules, dial_calls, sizeof(dial_calls));
	memcpy(rules + COUNT(dial_calls), more[0], n[0] * sizeof(rules[0]));
	memcpy(rules + COUNT(dial_calls) + n[0], more[1], n[1] * sizeof(rules[0]));
	return filter_enter(FILTER_ALLOW, rules, COUNT(dial_calls) + n[0] + n[1]);
}

int
calls_dial(void)
{
	return calls_resolver(0, 0);
}

int
calls_look(void)
{
	return calls_resolver(1, 0);
}

int
calls_tls(void)
{
	return calls_resolver(1, 1);
}

/* --- programs --- */

static const struct filter_rule program_calls[] = {
	FILTER_REACHING,
	/* other processes */
	CALL("ptrace"),
	CALL("process_mrelease"),
	CALL("migrate_pages"),
	CALL("move_pages"),
	/* the kernel */
	CALL("acct"),
	CALL("quotactl"),
	CALL("settimeofday"),
	CALL("clock_settime"),
	CALL("clock_adjtime"),
	CALL("adjtimex"),
	CALL("syslog"),
	CALL("iopl"),
	CALL("ioperm"),
	/* its flags are in memory, which no filter can read; ENOSYS makes the C library use clone(2) */
	FAILS("clone3", ENOSYS),
	CALL_IF("clone", FILTER_HAS, 0, CLONE_NEWNS),
	CALL_IF("clone", FILTER_HAS, 0, CLONE_NEWCGROUP),
	CALL_IF("clone", FILTER_HAS, 0, CLONE_NEWUTS),
	CALL_IF("clone", FILTER_HAS, 0, CLONE_NEWIPC),
	CALL_IF("clone", FILTER_HAS, 0, CLONE_NEWUSER),
	CALL_IF("clone", FILTER_HAS, 0, CLONE_NEWPID),
	CALL_IF("clone", FILTER_HAS, 0, CLONE_NEWNET),
	/* signals that the kernel sends for a descriptor, and input that it feeds to a terminal */
	CALL_IF("fcntl", FILTER_IS_INT, 1, F_SETOWN),
	CALL_IF("fcntl", FILTER_IS_INT, 1, F_SETOWN_EX),
	CALL_IF("fcntl", FILTER_IS_INT, 1, F_SETSIG),
	CALL_IF("ioctl", FILTER_IS_INT, 1, FIOSETOWN),
	CALL_IF("ioctl", FILTER_IS_INT, 1, SIOCSPGRP),
	CALL_IF("ioctl", FILTER_IS_INT, 1, TIOCSTI),
	CALL_IF("ioctl", FILTER_IS_INT, 1, TIOCLINUX),
	/* these could slow down another process, or end it by its limits; 0 is the caller */
	CALL_IF("prlimit64", FILTER_IS_NOT, 0, 0),
	CALL_IF("sched_setparam", FILTER_IS_NOT, 0, 0),
	CALL_IF("sched_setscheduler", FILTER_IS_NOT, 0, 0),
	CALL_IF("sched_setattr", FILTER_IS_NOT, 0, 0),
	CALL_IF("sched_setaffinity", FILTER_IS_NOT, 0, 0),
	CALL_IF("setpriority", FILTER_IS_NOT, 1, 0),
	CALL_IF("setpriority", FILTER_IS_INT, 0, PRIO_USER),
	CALL_IF("ioprio_set", FILTER_IS_NOT, 1, 0),
	CALL_IF("ioprio_set", FILTER_IS_NOT, 0, IOPRIO_WHO_PROCESS),
};

/* More ways to signal, refused together with calls_own_signals(). */
static const struct filter_rule signal_calls[] = {
	CALL("rt_sigqueueinfo"),
	CALL("rt_tgsigqueueinfo"),
	CALL("pidfd_send_signal"),
};

/* The offset of the lower 32 bits of an argument, which are all of an int. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARG(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#else
#define ARG(n) (offsetof(struct seccomp_data, args) + 8 * (n) + 4)
#endif
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(at))
/* Skip yes instructions if the value loaded is this one, else no instructions. */
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)

/*
 * Restrict kill(2), tgkill(2) and tkill(2).  A filter cannot know to which user a process belongs, so it
 * allows the caller, which leads its group, the group, and signal 0, which only asks.  That is enough for
 * timeout(1), which signals its group, and for abort(3).  A rule of libseccomp compares each argument
 * only once, so the filter is written out; libseccomp's own filters kill calls of another architecture.
 */
static int
calls_own_signals(void)
{
	const pid_t self = getpid();
	struct sock_filter code[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		IF(SYS_kill, 3, 0),
		IF(SYS_tgkill, 2, 0),
		IF(SYS_tkill, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		LOAD(ARG(0)),
		IF(self, 5, 0),
		IF(-self, 4, 0),
		IF(0, 3, 0),
		LOAD(ARG(1)), /* of tgkill(2) a thread, which is never 0 */
		IF(0, 1, 0),
		RETURN(SECCOMP_RET_ERRNO | EPERM),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { COUNT(code), code };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1 ? ERR_SYS : 0;
}

int
calls_program(enum calls_signals signals)
{
	int r = filter_enter(FILTER_REFUSE, program_calls, COUNT(program_calls));

	if (r == 0 && signals == CALLS_SIGNALS_OWN)
		r = filter_enter(FILTER_REFUSE, signal_calls, COUNT(signal_calls));
	return r == 0 && signals == CALLS_SIGNALS_OWN ? calls_own_signals() : r;
}
