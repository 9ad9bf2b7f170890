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
#include <unistd.h>

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

/* What log_event() writes to standard error, with this name in each of four fields and so many times
 * in the message. */
static size_t
json_line(char *out, size_t size, const char *name, size_t len, size_t times)
{
	int saved = dup(STDERR_FILENO), pair[2];
	char text[2001] = "";
	struct log_fields f;
	ssize_t n;

	assert_true(saved != -1 && pipe(pair) == 0 && dup2(pair[1], STDERR_FILENO) != -1);
	log_set_format(LOG_FORMAT_JSON);
	log_fields_begin(&f, "accepted");
	log_field_bytes(&f, "login", name, len);
	log_field_bytes(&f, "user", name, len);
	log_field_bytes(&f, "upstream", name, len);
	log_field_bytes(&f, "reason", name, len);
	log_field_text(&f, "method", "");
	log_field_number(&f, "client_port", 40000);
	while (times-- > 0)
		strncat(text, name, len);
	log_event(LOG_LVL_INFO, &f, "%s", text);
	log_set_format(LOG_FORMAT_SSHD);
	assert_true(dup2(saved, STDERR_FILENO) != -1);
	close(saved);
	close(pair[1]);
	n = read(pair[0], out, size - 1);
	close(pair[0]);
	assert_true(n > 0);
	out[n] = '\0';
	return (size_t)n;
}

static void
test_json_has_fields_beside_the_message(void **state)
{
	char line[8192];

	(void)json_line(line, sizeof(line), "a\"\n", 3, 2);
	assert_non_null(strstr(line,
	    ",\"message\":\"a\\\"\\\\012a\\\"\\\\012\",\"event\":\"accepted\","
	    "\"login\":\"a\\\"\\\\012\",\"user\":\"a\\\"\\\\012\","));
	assert_non_null(strstr(line, "012\",\"client_port\":40000}\n"));
	assert_null(strstr(line, "method"));
	(void)json_line(line, sizeof(line), "", 0, 0);
	assert_non_null(
	    strstr(line, ",\"message\":\"\",\"event\":\"accepted\",\"client_port\":40000}\n"));
}

/* A pipe takes it whole, and the message and the last field are still there. */
static void
test_json_of_hostile_names_stays_one_short_line(void **state)
{
	static const char bytes[] = "\"\\\n\377";
	char name[1000], line[8192];
	size_t i, n;

	for (i = 0; i < sizeof(bytes) - 1; i++) {
		memset(name, bytes[i], sizeof(name));
		n = json_line(line, sizeof(line), name, i % 2 == 0 ? 250 : sizeof(name),
		    i % 2 == 0 ? 8 : 2);
		assert_in_range(n, 1000, 4000);
		assert_ptr_equal(strchr(line, '\n'), line + n - 1);
		assert_non_null(strstr(line, ",\"client_port\":40000}\n"));
		assert_non_null(strstr(line, "...\",\"event\":\"accepted\",\"login\":\""));
	}
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
		cmocka_unit_test(test_json_has_fields_beside_the_message),
		cmocka_unit_test(test_json_of_hostile_names_stays_one_short_line),
		cmocka_unit_test(test_err_str_knows_every_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
