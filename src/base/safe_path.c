/*
 * The walk from / to a file, name by name.  It makes the checks of OpenSSH's safe_path(), but
 * before the file is opened.  Called by conf, access, the backend "directory" and the subcommands
 * for every file that decides who may log in.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access_hint.h"
#include "base/fd.h"
#include "base/safe_path.h"

#define LINKS_MAX 40 /* symbolic links in one walk, as in Linux itself */
#define NEW_MODE 0644
#define NO_UID ((uid_t)-1)
#define REASON_PATH "%.240s" /* a path in a reason, which has up to three */

struct walk {
	const struct safe_path_rule *rule;
	const char *path; /* as the caller gave it */
	mode_t refused;
	struct safe_path_doubts *doubts; /* NULL: a broken rule is an error */
	struct reason *why;
	int dir;	     /* the current directory of the walk */
	int confined;	     /* the walk may not leave the directory it started in */
	unsigned depth;	     /* of dir below the start */
	int links;	     /* followed so far */
	char at[PATH_MAX];   /* the path of dir */
	char rest[PATH_MAX]; /* the part of the path that is still ahead */
};

static int walk_fail(struct walk *, int, const char *, ...) __attribute__((format(printf, 3, 4)));

static int
walk_fail(struct walk *w, int err, const char *fmt, ...)
{
	struct reason reason;
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	reason_vset(&reason, fmt, ap);
	va_end(ap);
	reason_set(w->why, "%.200s: %s", w->path, reason.text);
	errno = saved;
	return err;
}

static int
walk_fail_errno(struct walk *w)
{
	switch (errno) {
	case ENOENT:
		return walk_fail(w, ERR_NOTFOUND, "%s", strerror(errno));
	case ENXIO: /* a socket, or a FIFO opened for writing */
		return walk_fail(w, ERR_FORMAT, "is not a regular file");
	default:
		return walk_fail(w, ERR_SYS, "%s", strerror(errno));
	}
}

/* --- the rule --- */

static int
doubt_add(struct safe_path_doubts *doubts, const struct safe_path_doubt *doubt)
{
	struct safe_path_doubt *v;
	size_t i;

	for (i = 0; i < doubts->n; i++)
		if (strcmp(doubts->v[i].reason, doubt->reason) == 0)
			return 0;
	v = reallocarray(doubts->v, doubts->n + 1, sizeof(*v));
	if (v == NULL)
		return ERR_NOMEM;
	doubts->v = v;
	v[doubts->n] = *doubt;
	v[doubts->n].path = strdup(doubt->path);
	v[doubts->n].reason = strdup(doubt->reason);
	if (v[doubts->n].path == NULL || v[doubts->n].reason == NULL) {
		free(v[doubts->n].path);
		free(v[doubts->n].reason);
		return ERR_NOMEM;
	}
	doubts->n++;
	return 0;
}

void
safe_path_doubts_free(struct safe_path_doubts *doubts)
{
	size_t i;

	for (i = 0; i < doubts->n; i++) {
		free(doubts->v[i].path);
		free(doubts->v[i].reason);
	}
	free(doubts->v);
	*doubts = (struct safe_path_doubts){ 0 };
}

/* The rule is broken: refuse, or add it to the doubts. */
static int
walk_doubt(struct walk *w, const struct safe_path_doubt *doubt)
{
	if (w->doubts == NULL)
		return walk_fail(w, ERR_PERM, "%s", doubt->reason);
	if (doubt_add(w->doubts, doubt) != 0)
		return walk_fail(w, ERR_NOMEM, "%s", err_str(ERR_NOMEM));
	return 0;
}

/* Write into text who may own files: "root, user 1 or user 1000, the owner of conf.d". */
static void
rule_owners(const struct safe_path_rule *rule, char text[80])
{
	int two = rule->user != 0, three = rule->owner != 0 && rule->owner != rule->user, len;

	len = snprintf(text, 80, "root");
	if (two)
		len += snprintf(text + len, 80 - (size_t)len, "%s user %u", three ? "," : " or",
		    rule->user);
	if (three)
		snprintf(text + len, 80 - (size_t)len, " or user %u, the owner of conf.d",
		    rule->owner);
}

static int
rule_has_owner(const struct safe_path_rule *rule, uid_t uid)
{
	return uid == 0 || uid == rule->user || uid == rule->owner;
}

/* Write into text the owner to put into "run: chown ...". */
static const char *
rule_owner(const struct safe_path_rule *rule, char text[16])
{
	uid_t uid = rule->owner != 0 ? rule->owner : rule->user;

	snprintf(text, 16, uid == 0 ? "root" : "%u", uid);
	return text;
}

#define OR_OFF ", or set StrictModes = no in [gateway]"

/* Check a directory above the file, or a symbolic link.  what is its path. */
static int
walk_check_way(struct walk *w, const struct stat *st, const char *what)
{
	struct safe_path_doubt doubt = { .path = (char *)(uintptr_t)w->path, .uid = NO_UID };
	char owners[80], owner[16];
	struct reason reason;
	const int link = S_ISLNK(st->st_mode), sticky = !w->confined && (st->st_mode & S_ISVTX);
	const char *kind = link ? "leads through the link" : "is below the directory";

	doubt.reason = reason.text;
	if (!w->rule->off && !rule_has_owner(w->rule, st->st_uid)) {
		doubt.uid = st->st_uid;
		rule_owners(w->rule, owners);
		if (access_hint_instead() != NULL)
			reason_set(&reason,
			    "%s " REASON_PATH ", which belongs to user %u, not to %s: %s", kind,
			    what, st->st_uid, owners, access_hint_instead());
		else
			reason_set(&reason,
			    "%s " REASON_PATH ", which belongs to user %u, not to %s; keep it "
			    "elsewhere, run: chown %s%s " REASON_PATH OR_OFF,
			    kind, what, st->st_uid, owners, link ? "-h " : "",
			    rule_owner(w->rule, owner), what);
		return walk_doubt(w, &doubt);
	}
	if (link || (st->st_mode & SAFE_PATH_TRUSTED) == 0 || sticky)
		return 0;
	reason_set(&reason,
	    "%s " REASON_PATH
	    ", to which others may write (mode %04o); run: chmod go-w " REASON_PATH "%s",
	    kind, what, st->st_mode & 07777, what, w->confined ? "" : OR_OFF);
	return walk_doubt(w, &doubt);
}

/* Check the file itself. */
static int
walk_check_end(struct walk *w, int fd, mode_t type)
{
	struct safe_path_doubt doubt = { .path = (char *)(uintptr_t)w->path, .uid = NO_UID };
	char owners[80], owner[16];
	struct reason reason;
	struct stat st;
	int err;

	doubt.reason = reason.text;
	if (fstat(fd, &st) == -1)
		return walk_fail_errno(w);
	if ((st.st_mode & S_IFMT) != type)
		return walk_fail(w, ERR_FORMAT, "is not a %s",
		    type == S_IFDIR ? "directory" : "regular file");
	if (!w->rule->off && !rule_has_owner(w->rule, st.st_uid)) {
		doubt.uid = st.st_uid;
		rule_owners(w->rule, owners);
		if (access_hint_instead() != NULL)
			reason_set(&reason, "belongs to user %u, not to %s: %s", st.st_uid, owners,
			    access_hint_instead());
		else
			reason_set(&reason,
			    "belongs to user %u, not to %s; run: chown %s " REASON_PATH OR_OFF,
			    st.st_uid, owners, rule_owner(w->rule, owner), w->path);
		if ((err = walk_doubt(w, &doubt)) != 0)
			return err;
	}
	if ((st.st_mode & w->refused) == 0)
		return 0;
	doubt.uid = NO_UID;
	doubt.by_all = (st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0;
	reason_set(&reason, "others %s (mode %04o); run: chmod %s " REASON_PATH,
	    w->refused == SAFE_PATH_SECRET ? "have access to it" : "may write to it",
	    st.st_mode & 07777, w->refused == SAFE_PATH_SECRET ? "go=" : "go-w", w->path);
	return walk_doubt(w, &doubt);
}

/* --- the walk --- */

/* Take the next name off the rest; *last is set if nothing follows.  0; 1: no name is left;
 * ERR_SYS. */
static int
walk_next(struct walk *w, char name[NAME_MAX + 1], int *last)
{
	const char *p = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(p, "/");

	if (len == 0)
		return 1;
	if (len > NAME_MAX) {
		errno = ENAMETOOLONG;
		return walk_fail_errno(w);
	}
	memcpy(name, p, len);
	name[len] = '\0';
	p += len;
	p += strspn(p, "/");
	*last = *p == '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
	memmove(w->rest, p, strlen(p) + 1);
	return 0;
}

/* Put the path of a name in the current directory into path.  0 or ERR_SYS. */
static int
walk_path(struct walk *w, const char *name, char path[PATH_MAX])
{
	const char *slash = strcmp(w->at, "/") == 0 ? "" : "/";
	int n = snprintf(path, PATH_MAX, "%s%s%s", w->at, slash, name);

	if (n < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return walk_fail_errno(w);
}

/* Make / the current directory. */
static int
walk_root(struct walk *w)
{
	struct stat st;

	fd_close(&w->dir);
	snprintf(w->at, sizeof(w->at), "/");
	w->dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->dir == -1 || fstat(w->dir, &st) == -1)
		return walk_fail_errno(w);
	return walk_check_way(w, &st, w->at);
}

/* Put the target of a symbolic link, whose descriptor is fd, in front of the rest. */
static int
walk_link(struct walk *w, int fd)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t len = readlinkat(fd, "", target, sizeof(target) - 1);

	if (len != -1 && ++w->links > LINKS_MAX) {
		errno = ELOOP;
		len = -1;
	}
	if (len == -1)
		return walk_fail_errno(w);
	target[len] = '\0';
	if (w->confined && target[0] == '/')
		return walk_fail(w, ERR_PERM, "is a symbolic link that leaves the directory");
	if (snprintf(rest, sizeof(rest), "%s/%s", target, w->rest) >= (int)sizeof(rest)) {
		errno = ENAMETOOLONG;
		return walk_fail_errno(w);
	}
	memcpy(w->rest, rest, strlen(rest) + 1);
	return target[0] == '/' ? walk_root(w) : 0;
}

/* Enter a directory, or follow a symbolic link. */
static int
walk_step(struct walk *w, const char *name)
{
	char path[PATH_MAX], *slash;
	struct stat st;
	int fd, r;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0 && w->confined && w->depth == 0)
		return walk_fail(w, ERR_PERM, "is a symbolic link that leaves the directory");
	if ((r = walk_path(w, name, path)) != 0)
		return r;
	/* O_DIRECTORY first: without it O_PATH does not trigger an automount */
	fd = openat(w->dir, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 && errno == ENOTDIR)
		fd = openat(w->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1) {
		r = walk_fail_errno(w);
	} else if (S_ISLNK(st.st_mode)) {
		if ((r = walk_check_way(w, &st, path)) == 0)
			r = walk_link(w, fd);
	} else if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		r = walk_fail_errno(w);
	} else if (strcmp(name, "..") == 0) {
		slash = strrchr(w->at, '/');
		slash[slash == w->at] = '\0';
		w->depth--;
		fd_close(&w->dir);
		w->dir = fd;
		return 0; /* it was checked on the way down */
	} else if ((r = walk_check_way(w, &st, path)) == 0) {
		memcpy(w->at, path, strlen(path) + 1);
		w->depth++;
		fd_close(&w->dir);
		w->dir = fd;
		return 0;
	}
	fd_close(&fd);
	return r;
}

/* A descriptor of name if it is a symbolic link, else -1. */
static int
walk_open_link(int dir, const char *name)
{
	struct stat st;
	int saved = errno, fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISLNK(st.st_mode)))
		fd_close(&fd);
	errno = saved;
	return fd;
}

/* Open the last name as *fd; or leave *fd -1 if it is a symbolic link, and the walk goes on. */
static int
walk_end(struct walk *w, const char *name, int flags, int *fd)
{
	const int how = flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	const mode_t type = (flags & O_DIRECTORY) != 0 ? S_IFDIR : S_IFREG;
	int link = -1, r;

	/* with O_PATH, openat(2) would open a symbolic link itself */
	if ((flags & (O_PATH | O_DIRECTORY)) == O_PATH)
		link = walk_open_link(w->dir, name);
	*fd = link != -1 ? -1 : openat(w->dir, name, how, NEW_MODE);
	if (*fd != -1) {
		r = walk_check_end(w, *fd, type);
		if (r != 0)
			fd_close(fd);
		return r;
	}
	if (link == -1 && (errno == ELOOP || errno == ENOTDIR) && (flags & O_NOFOLLOW) == 0)
		link = walk_open_link(w->dir, name);
	if (link == -1)
		return walk_fail_errno(w);
	fd_close(&link);
	return walk_step(w, name);
}

static int
walk_run(struct walk *w, int flags, int *fd)
{
	char name[NAME_MAX + 1];
	int last = 0, r;

	*fd = -1;
	for (;;) {
		r = walk_next(w, name, &last);
		if (r < 0)
			return r;
		if (r == 1)
			return walk_end(w, ".", flags, fd);
		r = last ? walk_end(w, name, flags, fd) : walk_step(w, name);
		if (r != 0 || *fd != -1)
			return r;
	}
}

/* --- the callers' functions --- */

/* With the rule off: open the path as it is, and check the file alone. */
static int
walk_open_off(struct walk *w, int flags, int *fd)
{
	int r;

	*fd = open(w->path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, NEW_MODE);
	if (*fd == -1)
		return walk_fail_errno(w);
	r = walk_check_end(w, *fd, (flags & O_DIRECTORY) != 0 ? S_IFDIR : S_IFREG);
	if (r != 0)
		fd_close(fd);
	return r;
}

/* Make the absolute path the rest.  0 or ERR_SYS. */
static int
walk_set(struct walk *w)
{
	char cwd[PATH_MAX] = "";

	if (w->path[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
		return walk_fail_errno(w);
	if (snprintf(w->rest, sizeof(w->rest), "%s/%s", cwd, w->path) < (int)sizeof(w->rest))
		return 0;
	errno = ENAMETOOLONG;
	return walk_fail_errno(w);
}

static int
walk_open(struct walk *w, int flags, int *fd)
{
	int r;

	w->dir = -1;
	*fd = -1;
	if (w->rule->off)
		return walk_open_off(w, flags, fd);
	r = walk_set(w);
	if (r == 0)
		r = walk_root(w);
	if (r == 0)
		r = walk_run(w, flags, fd);
	fd_close(&w->dir);
	return r;
}

/* Open the last name of the path in dir_fd, the directory that the rest of the path leads to. */
static int
walk_open_name(struct walk *w, int dir_fd, int flags, int *fd)
{
	char *name;
	int r;

	w->dir = -1;
	*fd = -1;
	r = walk_set(w);
	if (r != 0)
		return r;
	name = strrchr(w->rest, '/');
	snprintf(w->at, sizeof(w->at), "%.*s", name == w->rest ? 1 : (int)(name - w->rest),
	    w->rest);
	memmove(w->rest, name + 1, strlen(name + 1) + 1);
	w->dir = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	r = w->dir == -1 ? walk_fail_errno(w) : walk_run(w, flags, fd);
	fd_close(&w->dir);
	return r;
}

int
safe_path_open(const struct safe_path_rule *rule, const char *path, int flags, mode_t refused,
    int *fd, struct reason *why)
{
	struct walk w;

	w = (struct walk){ .rule = rule, .path = path, .refused = refused, .why = why };
	why->text[0] = '\0';
	return walk_open(&w, flags, fd);
}

int
safe_path_open_anyway(const struct safe_path_rule *rule, int dir_fd, const char *path, int flags,
    struct safe_path_doubts *doubts, int *fd, struct reason *why)
{
	struct walk w;

	w = (struct walk){ .rule = rule,
		.path = path,
		.refused = SAFE_PATH_TRUSTED,
		.doubts = doubts,
		.why = why };
	why->text[0] = '\0';
	return dir_fd == -1 ? walk_open(&w, flags, fd) : walk_open_name(&w, dir_fd, flags, fd);
}

int
safe_path_read(const struct safe_path_rule *rule, const char *path, struct buf *out,
    struct reason *why)
{
	int fd, r;

	r = safe_path_open(rule, path, O_RDONLY, SAFE_PATH_TRUSTED, &fd, why);
	if (r != 0)
		return r;
	r = fd_read_all(fd, out);
	if (r != 0)
		reason_set(why, "%.200s: %s", path, r == ERR_TOOBIG ? "is too large" : err_str(r));
	fd_close(&fd);
	return r;
}

int
safe_path_beneath(const struct safe_path_rule *rule, int dir_fd, const char *where,
    const char *name, int flags, mode_t refused, int *fd, struct reason *why)
{
	char path[PATH_MAX];
	struct walk w;
	int r;

	w = (struct walk){ .rule = rule,
		.path = path,
		.refused = refused,
		.confined = 1,
		.why = why };
	why->text[0] = '\0';
	*fd = -1;
	errno = ENAMETOOLONG;
	if (snprintf(path, sizeof(path), "%s/%s", where, name) >= (int)sizeof(path))
		return walk_fail_errno(&w);
	snprintf(w.at, sizeof(w.at), "%s", where);
	snprintf(w.rest, sizeof(w.rest), "%s", name);
	if (name[0] == '/')
		return walk_fail(&w, ERR_PERM, "is a symbolic link that leaves the directory");
	w.dir = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	if (w.dir == -1)
		return walk_fail_errno(&w);
	r = walk_run(&w, flags, fd);
	fd_close(&w.dir);
	return r;
}
