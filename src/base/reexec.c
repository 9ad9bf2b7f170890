/*
 * Executing this program anew.  Called by children of the master, which become the keeper or an
 * errand, and by subcommands that start an errand.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/reexec.h"

#define REEXEC_ARGS_MAX 8
/* The program's descriptor must not have a number that children use for theirs: 0 to 2,
 * REEXEC_SOCKET. */
#define REEXEC_FD_LOWEST 10

static int reexec_program = -1;

int
reexec_init(void)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	if (fd == -1)
		return ERR_SYS;
	reexec_program = fcntl(fd, F_DUPFD_CLOEXEC, REEXEC_FD_LOWEST);
	fd_close(&fd);
	return reexec_program == -1 ? ERR_SYS : 0;
}

int
reexec_fd(void)
{
	return reexec_program;
}

void
reexec_role(int sock, const char *const *argv)
{
	const char *args[REEXEC_ARGS_MAX + 2] = { "sallyport" };
	size_t i;

	for (i = 0; i < REEXEC_ARGS_MAX && argv[i] != NULL; i++)
		args[i + 1] = argv[i];
	fd_close_others(REEXEC_SOCKET, (const int[]){ sock, reexec_program }, 2);
	/* dup2() clears close-on-exec, except if both descriptors are the same */
	if (sock == REEXEC_SOCKET ? fcntl(sock, F_SETFD, 0) == 0 :
				    dup2(sock, REEXEC_SOCKET) != -1) {
		if (sock != REEXEC_SOCKET)
			close(sock);
		(void)fexecve(reexec_program, (char *const *)args, environ);
	}
	log_error("cannot execute the program anew as %s: %s", argv[0], strerror(errno));
	_exit(1);
}
