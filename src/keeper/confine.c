/*
 * The confinement of the keeper, which holds every key and reads what strangers send: an
 * attacker who takes it over shall have no way to send keys out, or to stay.  keeper.c enters
 * it at its start.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/access_hint.h"
#include "base/filter.h"
#include "base/log.h"
#include "base/privs.h"
#include "formats/totp.h"
#include "keeper/confine.h"
#include "transport/keys.h"

/* clang-format off */
#define ALWAYS		{ { FILTER_ANY, 0, 0 } }
#define FAILS		{ { FILTER_FAILS, 0, EPERM } }
#define ONLY(n, v)	{ { FILTER_IS, n, v } }
#define LACKS(n, v)	{ { FILTER_LACKS, n, v } }
/* clang-format on */

/* System calls have names of several ages and architectures; which of them a C library calls
 * is not known here. */
static const struct filter_rule calls[] = {
	/* messages; a send to an address of its own would be a way out (TCP fast open) */
	{ "epoll_create1", ALWAYS },
	{ "epoll_ctl", ALWAYS },
	{ "epoll_pwait", ALWAYS },
	{ "epoll_pwait2", ALWAYS },
	{ "epoll_wait", ALWAYS },
	{ "poll", ALWAYS },
	{ "ppoll", ALWAYS },
	{ "ppoll_time64", ALWAYS },
	{ "recvfrom", ALWAYS },
	{ "recvmsg", ALWAYS },
	{ "sendmsg", LACKS(2, MSG_FASTOPEN) },
	{ "sendto", { { FILTER_LACKS, 3, MSG_FASTOPEN }, { FILTER_IS, 4, 0 } } },
	{ "socketpair", ONLY(0, AF_UNIX) },
	{ "shutdown", ALWAYS },
	{ "getsockopt", ALWAYS },
	/* both ends of a connection that was dialled, for the log */
	{ "getsockname", ALWAYS },
	{ "getpeername", ALWAYS },
	/* socket(2) fails and does not kill: names of users are looked up at a reload, and
	 * getpwnam(3) reads /etc/passwd if it cannot ask a daemon */
	{ "socket", FAILS },
	/* stdio asks whether a device is a terminal */
	{ "ioctl", FAILS },

	/* files: those that Landlock leaves */
	{ "access", ALWAYS },
	{ "faccessat", ALWAYS },
	{ "faccessat2", ALWAYS },
	{ "flock", ALWAYS },
	{ "fstat", ALWAYS },
	{ "fstat64", ALWAYS },
	{ "fstatat64", ALWAYS },
	{ "fstatfs", ALWAYS },
	{ "fsync", ALWAYS },
	{ "fdatasync", ALWAYS },
	{ "ftruncate", ALWAYS },
	{ "ftruncate64", ALWAYS },
	{ "getcwd", ALWAYS },
	{ "getdents", ALWAYS },
	{ "getdents64", ALWAYS },
	{ "lseek", ALWAYS },
	{ "_llseek", ALWAYS },
	{ "lstat", ALWAYS },
	{ "lstat64", ALWAYS },
	{ "newfstatat", ALWAYS },
	{ "open", ALWAYS },
	{ "openat", ALWAYS },
	{ "pread64", ALWAYS },
	{ "read", ALWAYS },
	{ "readlink", ALWAYS },
	{ "readlinkat", ALWAYS },
	{ "readv", ALWAYS },
	{ "stat", ALWAYS },
	{ "stat64", ALWAYS },
	{ "statfs", ALWAYS },
	{ "statx", ALWAYS },
	{ "write", ALWAYS },
	{ "writev", ALWAYS },
	/* records of the state directory are replaced by new files; its directories are made at the
	 * start, and their owner is then right */
	{ "fchmod", ALWAYS },
	{ "renameat", ALWAYS },
	{ "renameat2", ONLY(4, 0) },
	{ "unlinkat", ONLY(2, 0) },
	{ "fchown", FAILS },
	{ "fchown32", FAILS },
	{ "mkdir", FAILS },
	{ "mkdirat", FAILS },

	/* descriptors; F_SETOWN, which makes the kernel send signals, is not among these */
	{ "close", ALWAYS },
	{ "close_range", ALWAYS },
	{ "dup", ALWAYS },
	{ "fcntl", ONLY(1, F_GETFD) },
	{ "fcntl", ONLY(1, F_SETFD) },
	{ "fcntl", ONLY(1, F_GETFL) },
	{ "fcntl", ONLY(1, F_SETFL) },
	{ "fcntl", ONLY(1, F_DUPFD_CLOEXEC) },
	/* the files of [tls] sections, which their processes get in an anonymous one */
	{ "memfd_create", ONLY(1, MFD_CLOEXEC | MFD_ALLOW_SEALING) },
	{ "fcntl", ONLY(1, F_ADD_SEALS) },
	{ "fcntl64", ONLY(1, F_ADD_SEALS) },
	{ "fcntl64", ONLY(1, F_GETFD) },
	{ "fcntl64", ONLY(1, F_SETFD) },
	{ "fcntl64", ONLY(1, F_GETFL) },
	{ "fcntl64", ONLY(1, F_SETFL) },
	{ "fcntl64", ONLY(1, F_DUPFD_CLOEXEC) },

	/* memory, but never memory to run */
	{ "brk", ALWAYS },
	{ "madvise", ALWAYS },
	{ "mlock", ALWAYS },
	{ "mlock2", ALWAYS },
	{ "mmap", LACKS(2, PROT_EXEC) },
	{ "mmap2", LACKS(2, PROT_EXEC) },
	{ "mprotect", LACKS(2, PROT_EXEC) },
	{ "mremap", ALWAYS },
	{ "munlock", ALWAYS },
	{ "munmap", ALWAYS },

	/* time, chance and itself */
	{ "clock_gettime", ALWAYS },
	{ "clock_gettime64", ALWAYS },
	{ "clock_nanosleep", ALWAYS },
	{ "clock_nanosleep_time64", ALWAYS },
	{ "nanosleep", ALWAYS },
	{ "gettimeofday", ALWAYS },
	{ "time", ALWAYS },
	{ "getrandom", ALWAYS },
	{ "futex", ALWAYS },
	{ "futex_time64", ALWAYS },
	{ "getegid", ALWAYS },
	{ "geteuid", ALWAYS },
	{ "getgid", ALWAYS },
	{ "getpid", ALWAYS },
	{ "gettid", ALWAYS },
	{ "getuid", ALWAYS },
	{ "getrusage", ALWAYS },
	{ "sysinfo", ALWAYS }, /* qsort(3) */
	{ "uname", ALWAYS },
	{ "getrlimit", ALWAYS },
	{ "prlimit64", { { FILTER_IS, 0, 0 }, { FILTER_IS, 2, 0 } } }, /* the same */
	{ "sched_yield", ALWAYS },
	{ "rt_sigaction", ALWAYS },
	{ "rt_sigprocmask", ALWAYS },
	{ "rt_sigreturn", ALWAYS },
	{ "restart_syscall", ALWAYS },
	{ "tgkill", { { FILTER_IS_OURSELVES, 0, 0 }, { FILTER_IS, 2, SIGABRT } } }, /* abort(3) */
	{ "tkill", { { FILTER_IS_OURSELVES, 0, 0 }, { FILTER_IS, 1, SIGABRT } } },  /* musl's */
	{ "exit", ALWAYS },
	{ "exit_group", ALWAYS },

#ifdef SALLYPORT_ASAN
	/* its reports, and its search for leaks at the end, by a thread that stops the others */
	{ "clone", ALWAYS },
	{ "clone3", ALWAYS },
	{ "getppid", ALWAYS },
	{ "mprotect", ALWAYS },
	{ "prctl", ALWAYS },
	{ "ptrace", ALWAYS },
	{ "sched_getaffinity", ALWAYS },
	{ "set_robust_list", ALWAYS },
	{ "sigaltstack", ALWAYS },
	{ "wait4", ALWAYS },
#endif
};

/* Have OpenSSL read its configuration and load the providers named there, and liboath whatever it
 * is built with, which they do at their first use. */
static int
confine_warm_up(void)
{
	struct secret *priv = NULL;
	char type[64], code[TOTP_DIGITS_MAX + 1];
	struct buf pub, sig;
	struct totp totp;
	uint8_t flags;
	int r;

	access_hint_prepare();
	/* a name that no user has is looked for in all modules of nsswitch.conf(5), which
	 * loads them */
	(void)privs_user_exists("sallyport no such user");
	buf_init(&pub, 1024);
	buf_init(&sig, 1024);
	r = key_generate("ecdsa", &priv, &pub, type);
	if (r == 0)
		r = key_sign(priv, type, type, "x", 1, &sig);
	if (r == 0)
		r = key_verify(buf_bytes(&pub), type, buf_bytes(&sig), "x", 1, &flags);
	totp_new(&totp);
	if (r == 0)
		r = totp_code(&totp, 1, code);
	secret_free(&priv);
	buf_free(&pub);
	buf_free(&sig);
	return r;
}

/* No configuration lies in these, and they show other processes and the host. */
static const char *const closed_trees[] = { "/proc", "/sys", "/dev" };

#define N_CLOSED_TREES (sizeof(closed_trees) / sizeof(closed_trees[0]))

/* A keeper that stays root opens files of other users, and locks memory. */
#define ROOT_CAPABILITIES \
	(1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH | 1ULL << CAP_IPC_LOCK)

static int
confine_rules(struct landlock *l, const struct conf *conf, struct writable **out)
{
	int r = landlock_allow_except(l, closed_trees, N_CLOSED_TREES, LANDLOCK_READ);

	if (r != 0)
		return r;
	/* a path in the configuration may be /dev/null, as for ssh */
	(void)!landlock_allow(l, "/dev/null", LANDLOCK_READ | LANDLOCK_WRITE_FILES);
#ifdef SALLYPORT_ASAN
	(void)!landlock_allow(l, "/proc", LANDLOCK_READ);
#endif
	return writable_new(conf, l, out);
}

static int
confine_landlock(const struct conf *conf, struct writable **out)
{
	struct landlock *l;
	int r = landlock_new(&l, LANDLOCK_FILES | LANDLOCK_TCP | LANDLOCK_REACH);

	if (r == 0)
		r = confine_rules(l, conf, out);
	if (r == 0)
		r = landlock_enter(l);
	if (r == ERR_SYS)
		log_info("Landlock is not available here: %s; the keeper can use any file that its "
			 "user can",
		    strerror(errno));
	if (r != 0)
		writable_free(out);
	landlock_free(&l);
	return r == ERR_SYS ? 0 : r;
}

int
confine_enter(const struct conf *conf, struct writable **out)
{
	int r = confine_warm_up();

	*out = NULL;
	if (r == 0)
		r = privs_limit_capabilities(geteuid() == 0 ? ROOT_CAPABILITIES : 0);
	if (r == 0)
		r = confine_landlock(conf, out);
	if (r == 0)
		r = filter_enter(FILTER_ALLOW, calls, sizeof(calls) / sizeof(calls[0]));
	if (r != 0)
		writable_free(out);
	return r;
}
