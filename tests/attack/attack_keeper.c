/*
 * The keeper of the attack build: after it has confined itself, it follows the commands of a test that
 * listens on the Unix socket named by SALLYPORT_ATTACK_KEEPER, and then goes on as a keeper.  Without
 * the variable it is a normal keeper.
 */
#include <sys/socket.h>

#include "attack.h"
#include "base/fd.h"
#include "keeper/confine.h"

extern int __real_confine_enter(const struct conf *conf, struct writable **out);
int __wrap_confine_enter(const struct conf *conf, struct writable **out);

int
__wrap_confine_enter(const struct conf *conf, struct writable **out)
{
	int fd = attack_connect("SALLYPORT_ATTACK_KEEPER", SOCK_STREAM),
	    r = __real_confine_enter(conf, out);

	if (fd != -1 && r == 0)
		attack_serve(fd);
	fd_close(&fd);
	return r;
}
