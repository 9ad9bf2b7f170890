/*
 * StrictModes for the configuration itself.  Called by conf_read().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access_hint.h"
#include "base/fd.h"
#include "base/privs.h"
#include "conf/reader.h"
#include "conf/strict.h"

struct strict_file {
	const char *name;
	uid_t uid;
	mode_t mode;
};

/* A reason without the "PATH: " at its beginning. */
static const char *
strict_reason(const struct reason *why, const char *path)
{
	size_t len = strlen(path);

	return strncmp(why->text, path, len) == 0 && why->text[len] == ':' ? why->text + len + 2 :
									     why->text;
}

void
strict_begin(struct strict *s, const char *dir, struct conf_errors *errors)
{
	struct reason why, closed;
	struct stat st;
	int r;

	*s = (struct strict){ .rule = { .user = geteuid() }, .dir_fd = -1 };
	if (stat(dir, &st) == -1) {
		conf_error(errors, dir, 0, "%s", strerror(errno));
		return;
	}
	s->rule.owner = st.st_uid;
	r = safe_path_open_anyway(&s->rule, -1, dir, O_PATH | O_DIRECTORY, &s->doubts, &s->dir_fd,
	    &why);
	if (r == ERR_SYS && errno == EACCES) {
		(void)access_hint(dir, X_OK, &closed);
		conf_error(errors, dir, 0, "%s", closed.text);
	} else if (r != 0) {
		conf_error(errors, dir, 0, "%s", strict_reason(&why, dir));
	}
}

static int
strict_remember(struct strict *s, const char *name, const struct stat *st)
{
	struct strict_file *files = reallocarray(s->files, s->n + 1, sizeof(*files));

	if (files == NULL)
		return ERR_NOMEM;
	s->files = files;
	files[s->n++] = (struct strict_file){ name, st->st_uid, st->st_mode };
	return 0;
}

int
strict_open(struct strict *s, const char *name, struct conf_errors *errors)
{
	struct reason why, closed;
	struct stat st;
	int fd, r;

	if (s->dir_fd == -1)
		return -1; /* strict_begin() has said why */
	r = safe_path_open_anyway(&s->rule, s->dir_fd, name, O_RDONLY, &s->doubts, &fd, &why);
	if (r == ERR_SYS && errno == EACCES) {
		(void)access_hint(name, R_OK, &closed);
		conf_error(errors, name, 0, "%s", closed.text);
	} else if (r != 0) {
		conf_error(errors, name, 0, "%s", strict_reason(&why, name));
	} else if (fstat(fd, &st) == -1) {
		conf_error(errors, name, 0, "%s", strerror(errno));
	} else if ((uintmax_t)st.st_size > READER_FILE_MAX) {
		conf_error(errors, name, 0, "larger than %u MiB", READER_FILE_MAX >> 20);
	} else if (strict_remember(s, name, &st) != 0) {
		conf_error(errors, name, 0, "out of memory");
	} else {
		return fd;
	}
	fd_close(&fd);
	return -1;
}

/* 1 if only root and the keeper's user can have written this file, so that its StrictModes = no counts. */
static int
strict_off_counts(const struct strict *s, const char *file)
{
	const struct strict_file *f;
	size_t i;

	for (i = 0; i < s->n; i++) {
		f = &s->files[i];
		if (strcmp(f->name, file) == 0)
			return (f->uid == 0 || f->uid == s->rule.user) &&
			    (f->mode & SAFE_PATH_TRUSTED) == 0;
	}
	return 0;
}

void
strict_judge(struct strict *s, struct conf *conf, struct conf_errors *errors)
{
	const struct conf_gateway *g = &conf->gateway;
	const struct safe_path_doubt *d;
	size_t i, n = 0;
	unsigned int line;
	const char *file;

	/* root reads the files before it becomes the keeper's user; a user that does not exist is an
	 * error at the start */
	if (geteuid() == 0)
		(void)!privs_uid(g->run_as != NULL ? g->run_as : CONF_RUN_AS, &s->rule.user);
	conf->file_rule = s->rule;
	conf->file_rule.off = !g->strict_modes;
	for (i = 0; i < s->doubts.n; i++)
		n += s->doubts.v[i].uid == (uid_t)-1 || s->doubts.v[i].uid != s->rule.user;
	file = conf_where(conf, "gateway", "StrictModes", &line);
	if (n > 0 && conf->file_rule.off && !strict_off_counts(s, file)) {
		conf_error(errors, file, line,
		    "StrictModes: no is honoured only in a file that belongs to root or user %u "
		    "and that nobody else may write to; run: chown root %s && chmod go-w %s",
		    s->rule.user, file, file);
		conf->file_rule.off = 0;
	}
	for (i = 0; i < s->doubts.n; i++) {
		d = &s->doubts.v[i];
		if (d->uid != (uid_t)-1 && d->uid == s->rule.user)
			continue;
		if (!conf->file_rule.off || d->by_all)
			conf_error(errors, d->path, 0, "%s", d->reason);
	}
}

void
strict_free(struct strict *s)
{
	fd_close(&s->dir_fd);
	safe_path_doubts_free(&s->doubts);
	free(s->files);
	*s = (struct strict){ .dir_fd = -1 };
}
