/*
 * Which key store a command is about.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "cli/key.h"
#include "conf/conf.h"

#define RUN_AS "sallyport"

int
key_fail(const struct reason *why, int err)
{
	fprintf(stderr, "sallyport: %s\n", why->text);
	return err == ERR_CONFIG ? CLI_USAGE : CLI_FAILED;
}

int
key_fail_memory(void)
{
	fprintf(stderr, "sallyport: out of memory\n");
	return CLI_FAILED;
}

void
key_place_free(struct key_place *p)
{
	free(p->path);
	free(p->unlock);
	free(p->run_as);
}

static int
place_from_conf(const char *dir, struct key_place *p)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	int r;

	r = conf_load(dir, CONF_GATEWAY, &conf, &errors);
	conf_errors_print(&errors, stderr);
	conf_errors_free(&errors);
	if (r != 0)
		return CLI_CONFIG;
	p->path = strdup(conf->keystore.path);
	p->unlock = strdup(conf->keystore.unlock);
	p->run_as = strdup(conf->gateway.run_as != NULL ? conf->gateway.run_as : RUN_AS);
	conf_free(&conf);
	if (p->path == NULL || p->unlock == NULL || p->run_as == NULL)
		return key_fail_memory();
	return CLI_OK;
}

int
key_place_get(const struct key_args *a, struct key_place *p)
{
	int status;

	*p = (struct key_place){ 0 };
	if (a->store != NULL) {
		p->path = strdup(a->store);
		if (asprintf(&p->unlock, "file:%s/.unlock", a->store) == -1)
			p->unlock = NULL;
	} else if ((status = place_from_conf(a->conf_dir, p)) != CLI_OK) {
		return status;
	}
	return p->path == NULL || p->unlock == NULL ? key_fail_memory() : CLI_OK;
}

/*
 * Root makes a store for the user that the gateway will run as.  The key store
 * gives its files to the directory's owner; here the directory gets its own,
 * unless there is a store in it already.
 */
static void
place_give(const struct key_place *p)
{
	const struct passwd *pw;
	struct stat st;
	int fd;

	if (geteuid() != 0 || p->run_as == NULL || (pw = getpwnam(p->run_as)) == NULL)
		return;
	(void)mkdir(p->path, 0700);
	fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return; /* keystore_open() says why */
	if (fstat(fd, &st) == 0 && st.st_uid == 0 &&
	    faccessat(fd, ".store", F_OK, AT_SYMLINK_NOFOLLOW) == -1 &&
	    fchown(fd, pw->pw_uid, pw->pw_gid) == -1)
		fprintf(stderr, "sallyport: %s: cannot be given to user %s: %s\n", p->path,
		    p->run_as, strerror(errno));
	fd_close(&fd);
}

int
key_store_open(const struct key_args *a, int create, struct keystore **ks)
{
	struct reason why = { "" };
	struct key_place p;
	int status, r;

	*ks = NULL;
	status = key_place_get(a, &p);
	if (status == CLI_OK) {
		if (create)
			place_give(&p);
		r = keystore_open(p.path, a->unlock != NULL ? a->unlock : p.unlock, create, ks,
		    &why);
		if (r != 0)
			status = key_fail(&why, r);
	}
	key_place_free(&p);
	return status;
}
