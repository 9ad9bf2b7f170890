#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/known_hosts.h"
#include "base/buf.h"
#include "base/access_hint.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/privs.h"
#include "cli/as_user.h"
#include "access/route_files.h"

#define FILE_MAX (16 * 1024 * 1024)

void
as_user_init(struct as_user *b, const char *dir)
{
	struct conf_errors errors = { 0 };

	*b = (struct as_user){ 0 };
	/* what is wrong with it, who reads all of it will say */
	(void)!conf_read(dir, CONF_GATEWAY, &b->conf, &errors);
	conf_errors_free(&errors);
	if (b->conf == NULL)
		return;
	users_named(b->conf, &b->users);
	/* a gateway that would not start becomes nobody */
	if (b->users.keeper != NULL && !privs_user_exists(b->users.keeper))
		b->users = (struct users){ NULL, NULL, NULL };
	if (b->users.network != NULL && !privs_user_exists(b->users.network))
		b->users.network = NULL;
	if (b->users.programs != NULL && !privs_user_exists(b->users.programs))
		b->users.programs = NULL;
}

const char *
as_user_programs_user(const struct as_user *b)
{
	return b->users.programs != NULL ? b->users.programs : b->users.network;
}

void
as_user_free(struct as_user *b)
{
	conf_free(&b->conf);
	*b = (struct as_user){ 0 };
}

static void
become(const char *user)
{
	int r = privs_as(user);

	if (r != 0)
		fatal("cannot look at files as user %s: %s", user == NULL ? "root" : user,
		    err_str(r));
}

void
as_user_keeper(const struct as_user *b)
{
	become(b->users.keeper);
}

void
as_user_network(const struct as_user *b)
{
	become(b->users.network);
}

void
as_user_programs(const struct as_user *b)
{
	become(as_user_programs_user(b));
}

void
as_user_self(void)
{
	become(NULL);
}

int
as_user_other(const struct as_user *b)
{
	return b->users.keeper != NULL;
}

/* Is there a machine of the route with no key in its files? */
static int
some_unknown(const struct route *r)
{
	struct reason why;
	struct buf text;
	int unknown = 0;
	size_t i;

	buf_init(&text, FILE_MAX);
	for (i = 0; i < r->known_hosts_files.n; i++) {
		/* one that can't be read is another matter */
		(void)!route_file_read(r, r->known_hosts_files.v[i], &text, &why);
		buf_put_u8(&text, '\n');
	}
	for (i = 0; i < r->hosts.n && !unknown; i++)
		unknown = !known_hosts_has((const char *)text.data, text.len, r->hosts.v[i],
		    r->port);
	buf_free(&text);
	return unknown;
}

/* Could a line be added?  It is not made here if it is not there.  0 or an errno. */
static int
try_append(const char *path)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	const char *slash = strrchr(path, '/');
	char *dir;
	int error = fd == -1 ? errno : 0;

	fd_close(&fd);
	if (error != ENOENT || slash == NULL)
		return error;
	dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (dir == NULL)
		fatal("out of memory");
	error = faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == -1 ? errno : 0;
	free(dir);
	return error;
}

int
as_user_accept_new(const struct route *r, struct reason *why)
{
	struct reason closed = { "" };
	const char *path;
	int error;

	if (r->strict != ROUTE_STRICT_ACCEPT_NEW || r->known_hosts_files.n == 0 ||
	    r->host_key_fingerprints.n > 0)
		return 0;
	path = r->known_hosts_files.v[0];
	error = try_append(path);
	if (error == 0)
		return 0;
	if (error == EACCES)
		(void)access_hint(path, R_OK | W_OK, &closed);
	else
		reason_set(&closed, "%s", strerror(error));
	reason_set(why, "%.1000s: accept-new writes new host keys to it, and %s", path,
	    closed.text);
	return some_unknown(r) ? -1 : 1;
}
