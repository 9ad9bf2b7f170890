/*
 * accept-new: adding a host key to known_hosts.  keeper/upstream_host_key.c calls this with a
 * key that an errand has seen, and cli/check_files.c asks whether it would work.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/host_key.h"
#include "access/host_key_add.h"
#include "access/route_files.h"
#include "base/access_hint.h"
#include "base/fd.h"
#include "formats/known_hosts.h"

#define LINE_MAX_SIZE 16384

/* Append the line with one write(2).  If a full disk cuts it short, truncate the file again,
 * unless another process without the lock has written more.  0 or ERR_SYS. */
static int
host_key_append(int fd, const struct buf *line)
{
	struct stat before, after;
	ssize_t n;
	int error;

	if (fstat(fd, &before) == -1)
		return ERR_SYS;
	n = write(fd, line->data, line->len);
	if (n == (ssize_t)line->len)
		return 0;
	error = n == -1 ? errno : ENOSPC;
	if (n > 0 && fstat(fd, &after) == 0 && after.st_size == before.st_size + n)
		(void)!ftruncate(fd, before.st_size);
	errno = error;
	return ERR_SYS;
}

/* Add the line, with the lock held. */
static int
host_key_add_line(int fd, const char *host, uint16_t port, struct bytes key)
{
	enum known_hosts_result known;
	struct buf text, line;
	int err;

	buf_init(&text, KNOWN_HOSTS_MAX);
	buf_init(&line, LINE_MAX_SIZE);
	err = fd_read_all(fd, &text);
	if (err != 0)
		goto out;
	known = known_hosts_check((const char *)text.data, text.len, host, port, key);
	if (known != KNOWN_HOST_NEW) {
		err = known == KNOWN_HOST_OK ? 0 : ERR_EXISTS;
		goto out;
	}
	if (text.len > 0 && text.data[text.len - 1] != '\n')
		buf_put(&line, "\n", 1);
	known_hosts_line(host, port, key, &line);
	err = buf_err(&line);
	if (err == 0)
		err = host_key_append(fd, &line);
out:
	buf_free(&line);
	buf_free(&text);
	return err;
}

int
host_key_add(const struct route *r, const char *host, struct bytes key, struct reason *why)
{
	const char *path = r->known_hosts_files.v[0];
	int fd, err;

	err = route_file_append(r, path, &fd, why);
	if (err != 0)
		return err;
	err = flock(fd, LOCK_EX | LOCK_NB) == -1 ? ERR_SYS :
						   host_key_add_line(fd, host, r->port, key);
	if (err != 0)
		reason_set(why, "%s: %s", path,
		    err == ERR_EXISTS ? "has another key for it, or has this one revoked" :
					err_str(err));
	fd_close(&fd); /* and with it the lock */
	return err;
}

/* Does any host of the route have no key in its known hosts? */
static int
host_key_add_needed(const struct route *r)
{
	struct reason unread;
	struct buf text;
	int needed = 0;
	size_t i;

	buf_init(&text, KNOWN_HOSTS_MAX);
	/* a file that cannot be read is reported elsewhere */
	(void)!host_key_read_known(r, &text, &unread);
	for (i = 0; i < r->hosts.n && !needed; i++)
		needed = !known_hosts_has((const char *)text.data, text.len, r->hosts.v[i],
		    r->port);
	buf_free(&text);
	return needed;
}

int
host_key_add_check(const struct route *r, struct reason *why)
{
	struct reason refused, hint;
	const char *path;
	int err;

	if (r->strict != ROUTE_STRICT_ACCEPT_NEW || r->known_hosts_files.n == 0 ||
	    r->host_key_fingerprints.n > 0)
		return 0;
	path = r->known_hosts_files.v[0];
	err = route_file_may_append(r, path, &refused);
	if (err == 0)
		return 0;
	if (err == ERR_SYS && errno == EACCES)
		(void)access_hint(path, R_OK | W_OK, &hint);
	else
		reason_set(&hint, "%s",
		    err == ERR_SYS || err == ERR_NOTFOUND ? strerror(errno) : refused.text);
	reason_set(why, "%.1000s: accept-new writes new host keys to it, and %s", path, hint.text);
	return host_key_add_needed(r) ? -1 : 1;
}
