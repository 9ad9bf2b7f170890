/*
 * sallyport init: a directory to start from.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "cli/sample.h"

#define HOST_KEY "host_ed25519"

static const char usage[] = "usage: sallyport init DIR\n";

static const char help[] =
    "\n"
    "Make DIR/conf.d with a commented configuration, DIR/keys with a host key, and\n"
    "DIR/plugins/exec with links to the ready lookup programs, if they are installed.  What is\n"
    "there already is never touched: with a conf.d or keys, nothing is made.\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.\n";

struct init {
	char *dir, *conf, *keys;
};

static int
fail(const char *path, const char *name, const char *why)
{
	fprintf(stderr, "sallyport: %s%s%s: %s\n", path, name[0] == '\0' ? "" : "/", name, why);
	return CLI_FAILED;
}

static int
make_dir(const char *path)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return CLI_OK;
	return fail(path, "", strerror(errno));
}

/* 0 if there is nothing in a directory, or no directory. */
static int
is_used(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int used = 0;

	if (dir == NULL)
		return errno != ENOENT;
	while (!used && (d = readdir(dir)) != NULL)
		used = strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
	closedir(dir);
	return used;
}

static int
write_file(int dir, const struct sample *s)
{
	int fd = openat(dir, s->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int r;

	if (fd == -1)
		return -1;
	r = fd_write_all(fd, s->text, s->len);
	if (r == 0 && fsync(fd) == -1)
		r = -1;
	fd_close(&fd);
	if (r != 0)
		(void)unlinkat(dir, s->name, 0);
	return r == 0 ? 0 : -1;
}

static int
write_files(const char *conf)
{
	int dir = open(conf, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = CLI_OK;
	struct sample s = { 0 };
	size_t i;

	if (dir == -1)
		return fail(conf, "", strerror(errno));
	for (i = 0; status == CLI_OK && (s = sample_file(i)).name != NULL; i++) {
		if (write_file(dir, &s) == 0)
			printf("made %s/%s\n", conf, s.name);
		else
			status = fail(conf, s.name, strerror(errno));
	}
	/* half a configuration is none: the next try finds the place as it was */
	while (status != CLI_OK && i > 1)
		(void)unlinkat(dir, sample_file(--i - 1).name, 0);
	fd_close(&dir);
	return status;
}

/* Where the ready lookup programs are: installed, or in the tree we were built in.  -1 if nowhere. */
static int
programs_open(char **path)
{
	static const char *const places[] = { "../share/sallyport/exec", "../plugins/exec" };
	char exe[PATH_MAX], *slash, *place;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	size_t i;
	int fd = -1;

	*path = NULL;
	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	for (i = 0; slash != NULL && fd == -1 && i < sizeof(places) / sizeof(places[0]); i++) {
		if (asprintf(&place, "%.*s/%s", (int)(slash - exe), exe, places[i]) == -1)
			return -1;
		*path = realpath(place, NULL);
		free(place);
		if (*path == NULL)
			continue;
		fd = open(*path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd == -1 || faccessat(fd, "table", X_OK, 0) == -1) {
			fd_close(&fd);
			free(*path);
			*path = NULL;
		}
	}
	return fd;
}

static int
is_program(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

/* plugins/exec in the directory, made if need be.  -1 if there can't be one. */
static int
plugins_open(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;

	if (dir == -1)
		return -1;
	if ((mkdirat(dir, "plugins", 0755) == 0 || errno == EEXIST) &&
	    (mkdirat(dir, "plugins/exec", 0755) == 0 || errno == EEXIST))
		fd = openat(dir, "plugins/exec", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fd_close(&dir);
	return fd;
}

/* plugins/exec/NAME of the sample configuration.  A gateway does without: no failure counts. */
static void
link_programs(const struct init *in)
{
	char *from = NULL, *target;
	int fd = programs_open(&from), to_fd = -1, made = 0;
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (dir == NULL)
		goto out;
	to_fd = plugins_open(in->dir);
	while (to_fd != -1 && (d = readdir(dir)) != NULL) {
		if (!is_program(fd, d->d_name) || asprintf(&target, "%s/%s", from, d->d_name) == -1)
			continue;
		made += symlinkat(target, to_fd, d->d_name) == 0;
		free(target);
	}
	if (made > 0)
		printf("made %s/plugins/exec: links to the programs in %s\n", in->dir, from);
out:
	fd_close(&to_fd);
	if (dir != NULL)
		closedir(dir);
	else
		fd_close(&fd);
	free(from);
}

static int
make(const struct init *in)
{
	char fingerprint[128];
	int status;

	if (is_used(in->conf))
		return fail(in->conf, "", "is there already, and stays as it is: nothing was made");
	if (is_used(in->keys))
		return fail(in->keys, "", "is there already, and stays as it is: nothing was made");
	status = make_dir(in->dir);
	if (status == CLI_OK)
		status = make_dir(in->conf);
	if (status == CLI_OK)
		status = write_files(in->conf);
	if (status == CLI_OK)
		status = cli_key_make(in->conf, HOST_KEY, fingerprint, sizeof(fingerprint));
	if (status != CLI_OK)
		return status;
	printf("made %s/" HOST_KEY ": %s\n", in->keys, fingerprint);
	link_programs(in);
	printf("\nSay in %s/10-routes.ini who goes where, and then:\n"
	       "    sallyport key generate alice -c %s\n"
	       "    sallyport check -c %s\n"
	       "    sallyport serve -c %s\n",
	    in->conf, in->conf, in->conf, in->conf);
	return CLI_OK;
}

int
cli_init(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	struct init in = { 0 };
	size_t len;
	int ch, status;

	opterr = 0;
	while ((ch = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (ch == 'h') {
			printf("%s%s", usage, help);
			return CLI_OK;
		}
		fputs(usage, stderr);
		return CLI_USAGE;
	}
	if (optind + 1 != argc || argv[optind][0] == '\0') {
		fputs(usage, stderr);
		return CLI_USAGE;
	}
	for (len = strlen(argv[optind]); len > 1 && argv[optind][len - 1] == '/'; len--)
		;
	in.dir = strndup(argv[optind], len);
	if (in.dir == NULL || asprintf(&in.conf, "%s/conf.d", in.dir) == -1)
		in.conf = NULL;
	if (in.conf == NULL || asprintf(&in.keys, "%s/keys", in.dir) == -1)
		in.keys = NULL;
	status = in.keys == NULL ? fail(argv[optind], "", "out of memory") : make(&in);
	free(in.keys);
	free(in.conf);
	free(in.dir);
	return status;
}
