/*
 * A filter of system calls (seccomp(2)) from a table of their names: a process gives up, for
 * itself and its children, what it has no use for.  Nothing takes a filter off again.
 */
#ifndef BASE_FILTER_H
#define BASE_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A condition on one argument. */
struct filter_arg {
	enum {
		FILTER_ANY, /* no condition */
		FILTER_IS,  /* the argument is value */
		FILTER_IS_INT, /* its lower 32 bits are, which is all that the kernel takes of an int */
		FILTER_IS_NOT,	     /* it is anything else, upper half included */
		FILTER_HAS,	     /* all of the bits in value are set */
		FILTER_LACKS,	     /* none of the bits in value is set */
		FILTER_IS_OURSELVES, /* it is the process's own number */
		FILTER_FAILS,	     /* no condition: the call fails with the errno that value is */
	} test;
	unsigned int number; /* of the argument, from 0 */
	uint64_t value;
};

#define FILTER_ARGS_MAX 3

/*
 * A call by its name, as in syscalls(2), and the conditions that all have to hold; several rules
 * of one call are alternatives.  A call that this architecture or libseccomp lacks counts for
 * nothing.
 */
struct filter_rule {
	const char *call;
	struct filter_arg args[FILTER_ARGS_MAX];
};

enum filter_kind {
	FILTER_ALLOW, /* the rules say what is allowed; any other call kills the process */
	/* The rules say what fails with EPERM; any other call is allowed.  FILTER_IS is of little
	 * use here: the kernel drops the upper half of an int, which makes it fail, afterwards. */
	FILTER_REFUSE,
};

/* clang-format off */
/*
 * Rules for FILTER_REFUSE: what reaches into other processes, mounts, namespaces and the kernel,
 * but for ptrace(2), which a sanitizer wants.  Nothing that the gateway starts has a use for it.
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

/* From now on.  Sets no-new-privileges as well.  Under sanitizers, which call more than we do, a
 * call that is not allowed fails with EPERM.  0, ERR_NOMEM, or ERR_SYS with errno. */
int filter_enter(enum filter_kind kind, const struct filter_rule *rules, size_t n) MUST_CHECK;

#endif
