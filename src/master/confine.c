/*
 * What the master gives up before it takes its first connection, for itself and for the sessions, the
 * errands and the programs that come from it: reaching into other processes and into the kernel.  It
 * goes on forking, executing and binding.
 */
#include "base/filter.h"
#include "master/master_private.h"

/* clang-format off */
#define CALL(name)	{ .call = (name) }
/* clang-format on */

static const struct filter_rule refused[] = {
#ifndef SALLYPORT_ASAN /* which looks for leaks that way */
	CALL("ptrace"),
#endif
	CALL("process_vm_readv"),
	CALL("process_vm_writev"),
	CALL("process_madvise"),
	CALL("pidfd_getfd"),
	CALL("kcmp"),
	CALL("perf_event_open"),
	CALL("userfaultfd"),
	CALL("bpf"),
	CALL("add_key"),
	CALL("keyctl"),
	CALL("request_key"),
	CALL("io_uring_setup"),
	CALL("io_uring_enter"),
	CALL("io_uring_register"),
	CALL("mount"),
	CALL("umount2"),
	CALL("pivot_root"),
	CALL("chroot"),
	CALL("move_mount"),
	CALL("open_tree"),
	CALL("fsopen"),
	CALL("fsconfig"),
	CALL("fsmount"),
	CALL("fspick"),
	CALL("mount_setattr"),
	CALL("open_by_handle_at"),
	CALL("setns"),
	CALL("unshare"),
	CALL("kexec_load"),
	CALL("kexec_file_load"),
	CALL("init_module"),
	CALL("finit_module"),
	CALL("delete_module"),
	CALL("reboot"),
	CALL("swapon"),
	CALL("swapoff"),
};

int
master_confine(void)
{
	/* no-new-privileges comes with it */
	return filter_enter(FILTER_REFUSE, refused, sizeof(refused) / sizeof(refused[0]));
}
