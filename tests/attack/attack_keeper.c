/*
 * The keeper of the attack build: after it has confined itself, it follows the commands of a test that
 * listens on the Unix socket named by SALLYPORT_ATTACK_KEEPER, and then goes on as a keeper.  Without
 * the variable it is a normal keeper.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attack.h"
#include "base/fd.h"
#include "keeper/confine.h"

extern int __real_confine_enter(const struct conf *conf, struct writable **out);
int __wrap_confine_enter(const struct conf *conf, struct writable **out);

/* Called before the confinement, which forbids connect(2). */
static int
attack_keeper_connect(void)
{
	const char *path = getenv("SALLYPORT_ATTACK_KEEPER");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (path == NULL)
		return -1;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == -1)
		_exit(9);
	return fd;
}

int
__wrap_confine_enter(const struct conf *conf, struct writable **out)
{
	int fd = attack_keeper_connect(), r = __real_confine_enter(conf, out);

	if (fd != -1 && r == 0)
		attack_serve(fd);
	fd_close(&fd);
	return r;
}
