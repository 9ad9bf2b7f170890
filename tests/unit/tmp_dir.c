#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tmp_dir.h"

static char path[64];

int
tmp_dir_setup(void **state)
{
	(void)state;
	umask(022);
	snprintf(path, sizeof(path), "/tmp/%.40s.XXXXXX", program_invocation_short_name);
	return mkdtemp(path) == NULL || chdir(path) == -1 || mkdir("conf.d", 0755) == -1 ? -1 : 0;
}

int
tmp_dir_teardown(void **state)
{
	char command[80];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", path);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

struct safe_path_rule
tmp_dir_rule(void)
{
	return (struct safe_path_rule){ .user = geteuid(), .owner = geteuid() };
}

const char *
tmp_dir(void)
{
	return path;
}

void
write_bytes(const char *name, const void *p, size_t len, mode_t mode)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(name, mode), 0);
}

void
write_text(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text), 0644);
}
