/*
 * Programs that the configuration names, and the keeper has run: that of [lookup exec], and those of Factor.
 */
#ifndef LOOKUP_PROGRAM_H
#define LOOKUP_PROGRAM_H

#include "base/reason.h"
#include "lookup/lookup.h"

/* A command is a path and arguments, split at blanks: no shell reads it. */

/*
 * Make the program's path absolute; a relative one begins at conf->base.  0 with *out set, which the caller
 * frees; ERR_NOMEM; or ERR_FORMAT with why: the path cannot be written in a command.
 */
int program_resolve(const struct conf *conf, const char *command, char **out,
    struct reason *why) MUST_CHECK;

/* Check the owner and the modes of the command's program.  0, or an ERR_* with why; with ERR_SYS errno is set,
 * too. */
int program_check(const struct safe_path_rule *rule, const char *command,
    struct reason *why) MUST_CHECK;

/* The path in a command.  malloc()ed; NULL: out of memory. */
char *program_path(const char *command);

/* Fill in the arguments, the login being the last one, and the environment that sallyport-exec(5) has for each
 * program.  0 or ERR_NOMEM; *out is the caller's in both cases. */
int program_put(const char *command, const char *dir, const struct lookup_request *request,
    struct lookup_command *out) MUST_CHECK;

/* Add NAME=value to an environment; NULL stands for "".  0 or ERR_NOMEM. */
int program_add_variable(struct strlist *env, const char *name, const char *value) MUST_CHECK;

#endif
