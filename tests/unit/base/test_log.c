/*
 * base/log.c: lines of the log have no harmful characters; and err_str().
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/log.h"

static const char *
vis(const char *text, size_t len)
{
	static char out[64];

	return log_vis(out, sizeof(out), text, len);
}

static void
test_log_vis_gives_one_harmless_line(void **state)
{
	(void)state;
	assert_string_equal(vis("alice", 5), "alice");
	assert_string_equal(vis("a\nb\r\033[2J\177", 9), "a\\012b\\015\\033[2J\\177");
	assert_string_equal(vis("a\0b", 3), "a\\000b");
	assert_string_equal(vis("\\012", 4), "\\134012");
	assert_string_equal(vis("%s%n", 4), "%s%n");
	assert_string_equal(vis("J\303\266rg \360\237\230\200", 10),
	    "J\303\266rg \360\237\230\200");
	/* not UTF-8: lone, overlong, surrogate, cut short, beyond U+10FFFF */
	assert_string_equal(vis("\377\200", 2), "\\377\\200");
	assert_string_equal(vis("\300\257", 2), "\\300\\257");
	assert_string_equal(vis("\355\240\200", 3), "\\355\\240\\200");
	assert_string_equal(vis("\342\202", 2), "\\342\\202");
	assert_string_equal(vis("\364\220\200\200", 4), "\\364\\220\\200\\200");
	/* C1 control, right-to-left override */
	assert_string_equal(vis("\302\233", 2), "\\302\\233");
	assert_string_equal(vis("\342\200\256", 3), "\\342\\200\\256");
}

static void
test_log_vis_cuts_between_characters(void **state)
{
	char in[120], out[64];
	size_t size, len;

	(void)state;
	for (len = 0; len < sizeof(in); len += 2)
		memcpy(in + len, "\303\266", 2);
	for (size = 0; size <= sizeof(out); size++) {
		memset(out, 'X', sizeof(out));
		if (size == 0)
			log_vis(out, size, in, sizeof(in));
		else
			assert_true(strlen(log_vis(out, size, in, sizeof(in))) < size);
		if (size < sizeof(out))
			assert_int_equal(out[size], 'X');
		if (size < 8)
			continue;
		len = strlen(out);
		assert_true(len >= 3);
		assert_string_equal(out + len - 3, "...");
		assert_int_equal((len - 3) % 2, 0);
	}
}

struct line {
	enum log_level level;
	char text[64];
	int n;
};

static void
keep_line(void *ctx, enum log_level level, const char *text, size_t len)
{
	struct line *line = ctx;

	line->n++;
	line->level = level;
	memcpy(line->text, text, len);
	line->text[len] = '\0';
	errno = EIO;
}

/* A session has lines sent, and they are escaped where they are written. */
static void
test_log_lines_go_to_the_sink_as_they_are(void **state)
{
	struct line line = { 0 };

	(void)state;
	log_set_sink(keep_line, &line);
	errno = ENOMEM;
	log_warn("%s", "one\n\033[2Jtwo");
	assert_int_equal(errno, ENOMEM);
	log_debug("not at this level");
	log_set_sink(NULL, NULL);
	assert_int_equal(line.n, 1);
	assert_int_equal(line.level, LOG_LVL_WARN);
	assert_string_equal(line.text, "one\n\033[2Jtwo");
	assert_true(log_wants(LOG_LVL_INFO) && !log_wants(LOG_LVL_DEBUG));
}

static void
test_err_str_knows_every_error(void **state)
{
	int err;

	(void)state;
	for (err = 0; err >= ERR_NOFILE; err--)
		assert_string_not_equal(err_str(err), "unknown error");
	assert_string_equal(err_str(-1000), "unknown error");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_vis_gives_one_harmless_line),
		cmocka_unit_test(test_log_vis_cuts_between_characters),
		cmocka_unit_test(test_log_lines_go_to_the_sink_as_they_are),
		cmocka_unit_test(test_err_str_knows_every_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
