/*
 * A directory of its own for the tests of one program.
 */
#ifndef TESTS_TMP_DIR_H
#define TESTS_TMP_DIR_H

#include <stddef.h>
#include <sys/types.h>

#include "base/safe_path.h"

/* Of a group of tests: make the directory, with an empty conf.d in it, and go there, with
 * a umask of 022; and remove it with all that is in it. */
int tmp_dir_setup(void **state);
int tmp_dir_teardown(void **state);

/* Its path. */
const char *tmp_dir(void);

/* The rule for files of a gateway that we start in it. */
struct safe_path_rule tmp_dir_rule(void);

/* Make a file of this text, or of these bytes with this mode. */
void write_text(const char *path, const char *text);
void write_bytes(const char *path, const void *p, size_t len, mode_t mode);

#endif
