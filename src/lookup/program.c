/*
 * The command line and the environment of programs that the configuration names.  Called by plugins/exec.c,
 * and by the keeper for Factor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/program.h"
#include "base/safe_path.h"
#include "lookup/program.h"

char *
program_path(const char *command)
{
	return strndup(command, strcspn(command, " \t"));
}

int
program_resolve(const struct conf *conf, const char *command, char **out, struct reason *why)
{
	char *word = NULL, *path = NULL;
	int r = ERR_NOMEM;

	*out = NULL;
	command += strspn(command, " \t");
	if (strpbrk(command, "\"'") != NULL) {
		reason_set(why,
		    "quotes have no meaning, as there is no shell: words are split at blanks; for "
		    "more, write a script");
		return ERR_FORMAT;
	}
	word = program_path(command);
	if (word != NULL)
		path = conf_path(conf, word);
	if (path != NULL && strpbrk(path, " \t\"'") != NULL) {
		reason_set(why,
		    "\"%.80s\" lies below a directory with a blank or a quote in its name: move one "
		    "of them",
		    path);
		r = ERR_FORMAT;
	} else if (path != NULL) {
		r = asprintf(out, "%s%s", path, command + strlen(word)) == -1 ? ERR_NOMEM : 0;
	}
	if (r != 0)
		*out = NULL;
	if (r == ERR_NOMEM)
		reason_set(why, "out of memory");
	free(word);
	free(path);
	return r;
}

int
program_check(const struct safe_path_rule *rule, const char *command, struct reason *why)
{
	char *path = program_path(command);
	struct stat st;
	int fd = -1, r, saved;

	if (path == NULL) {
		reason_set(why, "out of memory");
		return ERR_NOMEM;
	}
	r = safe_path_open(rule, path, O_PATH, SAFE_PATH_TRUSTED, &fd, why);
	if (r == 0 && fstat(fd, &st) == -1) {
		reason_set(why, "%.400s: %s", path, err_str(ERR_SYS));
		r = ERR_SYS;
	}
	if (r == 0 && (st.st_mode & 0111) == 0) {
		reason_set(why, "%.400s: is not executable; run: chmod +x %.400s", path, path);
		r = ERR_PERM;
	}
	saved = errno;
	fd_close(&fd);
	free(path);
	errno = saved;
	return r;
}

int
program_add_variable(struct strlist *env, const char *name, const char *value)
{
	char *text;
	int r;

	if (asprintf(&text, "%s=%s", name, value == NULL ? "" : value) == -1)
		return ERR_NOMEM;
	r = strlist_add(env, text, strlen(text));
	free(text);
	return r;
}

int
program_put(const char *command, const char *dir, const struct lookup_request *request,
    struct lookup_command *out)
{
	const struct lookup_certificate *certificate = request->certificate;
	char port[16], local_port[16];
	const char *const env[][2] = {
		{ "PWD", dir },
		{ "SALLYPORT_LOGIN", request->login },
		{ "SALLYPORT_SESSION", request->session },
		{ "SALLYPORT_CLIENT_ADDRESS", request->client_address },
		{ "SALLYPORT_CLIENT_PORT", port },
		{ "SALLYPORT_LOCAL_ADDRESS", request->local_address },
		{ "SALLYPORT_LOCAL_PORT", local_port },
		{ "SALLYPORT_HOST", request->host },
		{ "SALLYPORT_CLIENT_CERTIFICATE",
		    certificate != NULL ? certificate->fingerprint : "" },
		{ "SALLYPORT_CLIENT_CN", certificate != NULL ? certificate->cn : "" },
		{ "SALLYPORT_METHOD", request->method },
		{ "SALLYPORT_FINGERPRINT", request->fingerprint },
		{ "SALLYPORT_PUBLIC_KEY", request->public_key },
	};
	size_t i;
	int r;

	snprintf(port, sizeof(port), "%u", request->client_port);
	snprintf(local_port, sizeof(local_port), "%u", request->local_port);
	r = strlist_add_words(&out->argv, command);
	if (r == 0)
		r = strlist_add(&out->argv, request->login, strlen(request->login));
	if (r == 0)
		r = strlist_add(&out->env, PROGRAM_PATH, strlen(PROGRAM_PATH));
	if (r == 0)
		r = strlist_add(&out->env, PROGRAM_LANG, strlen(PROGRAM_LANG));
	for (i = 0; r == 0 && i < sizeof(env) / sizeof(env[0]); i++)
		r = program_add_variable(&out->env, env[i][0], env[i][1]);
	return r;
}
