/*
 * A filter of system calls (seccomp(2)), made from a table of their names.  It holds for the
 * process and all its children, and cannot be taken off again.
 */
#ifndef BASE_FILTER_H
#define BASE_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A condition on one argument. */
struct filter_arg {
	enum {
		FILTER_ANY,    /* no condition */
		FILTER_IS,     /* all 64 bits of the argument are value */
		FILTER_IS_INT, /* the lower 32 bits are value: the kernel uses no more of an int */
		FILTER_IS_NOT, /* any of the 64 bits differs from value */
		FILTER_HAS,    /* all bits of value are set in the argument */
		FILTER_LACKS,  /* no bit of value is set in the argument */
		FILTER_IS_OURSELVES, /* the argument is the process's own pid */
		FILTER_FAILS,	     /* no condition: the call fails with the errno in value */
	} test;
	unsigned int number; /* of the argument, from 0 */
	uint64_t value;
};

#define FILTER_ARGS_MAX 3

/*
 * A call by its name in syscalls(2), and conditions that all have to hold.  Of several rules for
 * one call any one that matches is enough.  A rule for a call that this architecture or libseccomp
 * does not know is skipped.
 */
struct filter_rule {
	const char *call;
	struct filter_arg args[FILTER_ARGS_MAX];
};

enum filter_kind {
	FILTER_ALLOW, /* calls that match a rule are allowed; any other call kills the process */
	/* Calls that match a rule fail with EPERM; any other call is allowed.  An int is to be
	 * tested with FILTER_IS_INT here: with garbage in the upper half FILTER_IS would not match,
	 * and the kernel, which ignores that half, would do the call. */
	FILTER_REFUSE,
};

/* clang-format off */
/*
 * Rules for FILTER_REFUSE: calls that reach into other processes, mounts, namespaces and the
 * kernel.  No process that the gateway starts needs them.  ptrace(2) is not among them, for
 * sanitizers use it.
 */
#define FILTER_REACHING                                      \
	{ .call = "process_vm_readv" }, { .call = "process_vm_writev" }, \
	{ .call = "process_madvise" }, { .call = "pidfd_getfd" }, \
	{ .call = "kcmp" }, { .call = "perf_event_open" }, \
	{ .call = "userfaultfd" }, { .call = "bpf" }, \
	{ .call = "add_key" }, { .call = "keyctl" }, \
	{ .call = "request_key" }, { .call = "io_uring_setup" }, \
	{ .call = "io_uring_enter" }, { .call = "io_uring_register" }, \
	{ .call = "mount" }, { .call = "umount2" }, \
	{ .call = "pivot_root" }, { .call = "chroot" }, \
	{ .call = "move_mount" }, { .call = "open_tree" }, \
	{ .call = "fsopen" }, { .call = "fsconfig" }, \
	{ .call = "fsmount" }, { .call = "fspick" }, \
	{ .call = "mount_setattr" }, { .call = "open_by_handle_at" }, \
	{ .call = "setns" }, { .call = "unshare" }, \
	{ .call = "kexec_load" }, { .call = "kexec_file_load" }, \
	{ .call = "init_module" }, { .call = "finit_module" }, \
	{ .call = "delete_module" }, { .call = "reboot" }, \
	{ .call = "swapon" }, { .call = "swapoff" }
/* clang-format on */

/* Install the filter, and set no-new-privileges.  In sanitizer builds FILTER_ALLOW lets other calls
 * fail with EPERM instead of killing the process, for sanitizers make calls of their own.
 * 0, ERR_NOMEM, or ERR_SYS with errno. */
int filter_enter(enum filter_kind kind, const struct filter_rule *rules, size_t n) MUST_CHECK;

#endif
