/*
 * errand/factor_lines.c: what the program of a second factor may write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "errand/factor_lines.h"

static struct factor_round *round_;
static struct reason why;

static int
setup(void **state)
{
	(void)state;
	round_ = malloc(sizeof(*round_));
	if (round_ == NULL)
		return -1;
	factor_round_init(round_);
	why.text[0] = '\0';
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	factor_round_free(round_);
	free(round_);
	return 0;
}

/* Read a text; what is left of it goes to *left. */
static enum factor_said
read_bytes(const char *text, size_t len, size_t *left)
{
	struct bytes b = { (const uint8_t *)text, len };
	enum factor_said said = factor_round_read(round_, &b, &why);

	*left = b.len;
	assert_true((said == FACTOR_BAD) == (why.text[0] != '\0'));
	return said;
}

static enum factor_said
read_text(const char *text)
{
	size_t left;

	return read_bytes(text, strlen(text), &left);
}

static void
assert_question(size_t i, int echo, const char *text)
{
	assert_int_equal(round_->questions[i].echo, echo);
	assert_int_equal(round_->questions[i].len, strlen(text));
	assert_memory_equal(round_->questions[i].text, text, strlen(text));
}

static void
test_round(void **state)
{
	static const char text[] = "info Hello\ninfo\ninfo  you\nprompt Password: \necho Token\r\n"
				   "ask\nprompt next\n";
	size_t left;

	(void)state;
	assert_int_equal(read_bytes(text, strlen(text), &left), FACTOR_ASK);
	assert_int_equal(left, 12);
	assert_int_equal(round_->n, 2);
	assert_question(0, 0, "Password: ");
	assert_question(1, 1, "Token");
	assert_memory_equal(round_->info.data, "Hello\n\n you", round_->info.len);
	assert_int_equal(round_->info.len, 11);
	factor_round_next(round_);
	assert_int_equal(read_text("prompt next\nask\n"), FACTOR_ASK);
	assert_int_equal(round_->n, 1);
	assert_int_equal(round_->info.len, 0);
	assert_question(0, 0, "next");
}

static void
test_line_without_an_end_is_read_later(void **state)
{
	size_t left;

	(void)state;
	assert_int_equal(read_bytes("echo a\nas", 9, &left), FACTOR_MORE);
	assert_int_equal(left, 2);
	assert_int_equal(read_bytes("ask\n", 4, &left), FACTOR_ASK);
	assert_int_equal(left, 0);
}

/* To wait for something that has no question, such as a tap on a telephone. */
static void
test_round_without_questions(void **state)
{
	(void)state;
	assert_int_equal(read_text("info Accept it on your telephone\nask\n"), FACTOR_ASK);
	assert_int_equal(round_->n, 0);
}

static void
test_any_bytes_in_texts(void **state)
{
	size_t left;

	(void)state;
	assert_int_equal(read_bytes("prompt \0\xff\x1b[2J\nask\n", 19, &left), FACTOR_ASK);
	assert_int_equal(round_->questions[0].len, 6);
	assert_memory_equal(round_->questions[0].text, "\0\xff\x1b[2J", 6);
}

static void
test_lines_that_are_none(void **state)
{
	static const char *const lines[] = { "", " ", "Prompt a", "prompts a", "prompt", "prompt ",
		"echo", "ask now", "ask ", "asks", "information", " ask", "\tprompt a", "pass",
		"\r" };
	char line[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		(void)teardown(NULL);
		assert_int_equal(setup(NULL), 0);
		snprintf(line, sizeof(line), "info a\n%s\n", lines[i]);
		if (read_text(line) != FACTOR_BAD)
			fail_msg("\"%s\"", lines[i]);
		/* the line itself may be an answer, and is not repeated */
		assert_non_null(strstr(why.text, "line 2 of its output"));
		assert_null(strstr(why.text, "pass"));
	}
}

static void
test_longest_line(void **state)
{
	char text[FACTOR_LINE_MAX + 4];
	size_t left;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "prompt ", 7);
	text[FACTOR_LINE_MAX] = '\r';
	text[FACTOR_LINE_MAX + 1] = '\n';
	assert_int_equal(read_bytes(text, FACTOR_LINE_MAX + 1, &left), FACTOR_MORE);
	assert_int_equal(read_bytes(text, FACTOR_LINE_MAX + 2, &left), FACTOR_MORE);
	assert_int_equal(left, 0);
	assert_int_equal(round_->questions[0].len, FACTOR_LINE_MAX - 7);
	text[FACTOR_LINE_MAX] = 'x';
	text[FACTOR_LINE_MAX + 1] = 'x';
	assert_int_equal(read_bytes(text, FACTOR_LINE_MAX + 2, &left), FACTOR_BAD);
	assert_non_null(strstr(why.text, "more than 1024 bytes"));
}

static void
test_eight_questions(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < IPC_QUESTIONS_MAX; i++)
		assert_int_equal(read_text("echo a\n"), FACTOR_MORE);
	assert_int_equal(read_text("ask\n"), FACTOR_ASK);
	assert_int_equal(round_->n, IPC_QUESTIONS_MAX);
	assert_int_equal(read_text("echo a\n"), FACTOR_BAD);
	assert_non_null(strstr(why.text, "question more than 8"));
}

static void
test_sixteen_rounds(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < FACTOR_ROUNDS_MAX; i++) {
		assert_int_equal(read_text("echo a\nask\n"), FACTOR_ASK);
		factor_round_next(round_);
	}
	assert_int_equal(read_text("ask\n"), FACTOR_BAD);
	assert_non_null(strstr(why.text, "16 times"));
}

static void
test_much_to_read(void **state)
{
	char line[1001];
	int i;

	(void)state;
	snprintf(line, sizeof(line), "info %0994d\n", 7);
	for (i = 0; i < 16; i++)
		assert_int_equal(read_text(line), FACTOR_MORE);
	assert_int_equal(read_text(line), FACTOR_BAD);
	assert_non_null(strstr(why.text, "line 17 of its output"));
	assert_non_null(strstr(why.text, "16384 bytes of info"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_line_without_an_end_is_read_later, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_round_without_questions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any_bytes_in_texts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eight_questions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sixteen_rounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_much_to_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
