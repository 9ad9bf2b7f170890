/*
 * sallyport init: a directory to start from, with the sample configuration and a host key.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"

#define HOST_KEY "host_ed25519"

struct init {
	char *dir, *conf, *keys;
};

/* --- the sample configuration: the files of conf.d/ in the source tree --- */

struct init_sample {
	const char *name; /* "00-gateway.ini" */
	const char *text; /* not terminated */
	size_t len;
};

/* The assembler includes the file itself, so that there is no second copy of it. */
#define SAMPLE(symbol, path)                                    \
	__asm__(".section .rodata\n"                            \
		".global " #symbol "_begin\n"                   \
		".global " #symbol "_end\n"                     \
		".hidden " #symbol "_begin\n"                   \
		".hidden " #symbol "_end\n" #symbol "_begin:\n" \
		".incbin \"" path "\"\n" #symbol "_end:\n"      \
		".byte 0\n"                                     \
		".previous\n");                                 \
	extern const char symbol##_begin[], symbol##_end[]

SAMPLE(init_gateway, "conf.d/00-gateway.ini");
SAMPLE(init_routes, "conf.d/10-routes.ini");

/* The i-th, or one without a name. */
static struct init_sample
init_sample(size_t i)
{
	switch (i) {
	case 0:
		return (struct init_sample){ "00-gateway.ini", init_gateway_begin,
			(size_t)((uintptr_t)init_gateway_end - (uintptr_t)init_gateway_begin) };
	case 1:
		return (struct init_sample){ "10-routes.ini", init_routes_begin,
			(size_t)((uintptr_t)init_routes_end - (uintptr_t)init_routes_begin) };
	default:
		return (struct init_sample){ 0 };
	}
}

/* --- what is made --- */

static int
init_fail(const char *path, const char *name, const char *why)
{
	fprintf(stderr, "sallyport: %s%s%s: %s\n", path, name[0] == '\0' ? "" : "/", name, why);
	return CLI_FAILED;
}

static int
init_dir(const char *path)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return CLI_OK;
	return init_fail(path, "", strerror(errno));
}

/* CLI_OK if the directory is empty or does not exist; if not, the reason has been said. */
static int
init_is_free(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int used = 0;

	if (dir == NULL && errno == ENOENT)
		return CLI_OK;
	if (dir == NULL)
		return init_fail(path, "", strerror(errno));
	while (!used && (d = readdir(dir)) != NULL)
		used = strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
	closedir(dir);
	if (!used)
		return CLI_OK;
	return init_fail(path, "", "already exists, and is not changed: nothing was made");
}

static int
init_file(int dir, const struct init_sample *s)
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
init_conf(const char *conf)
{
	int dir = open(conf, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = CLI_OK;
	struct init_sample s = { 0 };
	size_t i;

	if (dir == -1)
		return init_fail(conf, "", strerror(errno));
	for (i = 0; status == CLI_OK && (s = init_sample(i)).name != NULL; i++) {
		if (init_file(dir, &s) == 0)
			printf("made %s/%s\n", conf, s.name);
		else
			status = init_fail(conf, s.name, strerror(errno));
	}
	/* take the files away again: the next try must find the place as it was */
	while (status != CLI_OK && i > 1)
		(void)unlinkat(dir, init_sample(--i - 1).name, 0);
	fd_close(&dir);
	return status;
}

/* The directory of the ready lookup programs: installed, or in the source tree.  -1 if there
 * is none. */
static int
init_programs_open(char **path)
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
init_is_program(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

/* plugins/exec in the directory, made if need be.  -1 if that fails. */
static int
init_plugins_open(const char *path)
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

/* Links plugins/exec/NAME, which the sample configuration mentions.  A gateway can do
 * without them, so failures are ignored. */
static void
init_link_programs(const struct init *in)
{
	char *from = NULL, *target;
	int fd = init_programs_open(&from), to_fd = -1, made = 0;
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (dir == NULL)
		goto out;
	to_fd = init_plugins_open(in->dir);
	while (to_fd != -1 && (d = readdir(dir)) != NULL) {
		if (!init_is_program(fd, d->d_name) ||
		    asprintf(&target, "%s/%s", from, d->d_name) == -1)
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
init_make(const struct init *in)
{
	char fingerprint[128];
	int status;

	status = init_is_free(in->conf);
	if (status == CLI_OK)
		status = init_is_free(in->keys);
	if (status == CLI_OK)
		status = init_dir(in->dir);
	if (status == CLI_OK)
		status = init_dir(in->conf);
	if (status == CLI_OK)
		status = init_conf(in->conf);
	if (status == CLI_OK)
		status = cli_key_make(in->conf, HOST_KEY, fingerprint, sizeof(fingerprint));
	if (status != CLI_OK)
		return status;
	printf("made %s/" HOST_KEY ": %s\n", in->keys, fingerprint);
	init_link_programs(in);
	printf("\n"
	       "Write your routes into %s/10-routes.ini, and then run:\n"
	       "    sallyport key generate alice -c %s\n"
	       "    sallyport check -c %s\n"
	       "    sallyport serve -c %s\n",
	    in->conf, in->conf, in->conf, in->conf);
	return CLI_OK;
}

static int
init_run(int argc, char **argv)
{
	int at = cli_options(argc, argv, NULL, &cli_init), status;
	struct init in = { 0 };
	size_t len;

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	if (at + 1 != argc || argv[at][0] == '\0')
		return cli_wrong_usage(&cli_init);
	for (len = strlen(argv[at]); len > 1 && argv[at][len - 1] == '/'; len--)
		;
	in.dir = strndup(argv[at], len);
	if (in.dir == NULL || asprintf(&in.conf, "%s/conf.d", in.dir) == -1)
		in.conf = NULL;
	if (in.conf == NULL || asprintf(&in.keys, "%s/keys", in.dir) == -1)
		in.keys = NULL;
	status = in.keys == NULL ? init_fail(argv[at], "", "out of memory") : init_make(&in);
	free(in.keys);
	free(in.conf);
	free(in.dir);
	return status;
}

const struct cli_command cli_init = {
	.name = "init",
	.summary = "make a directory with a configuration and a host key",
	.usage = "usage: sallyport init DIR\n",
	.help = "\n"
		"Make DIR/conf.d with a commented configuration, DIR/keys with a host key, and\n"
		"DIR/plugins/exec with links to the ready lookup programs, if they are installed.\n"
		"Existing files are not changed: if there is a conf.d or keys, nothing is made.\n"
		"\n"
		"Exit status: 0 done, 1 failed, 2 wrong usage.\n",
	.run = init_run,
};
