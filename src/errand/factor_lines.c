/*
 * Reading the lines of a program of Factor: "prompt TEXT", "echo TEXT", "info TEXT" and "ask".
 * Called by errand_factor.c.
 */
#include <string.h>

#include "errand/factor_lines.h"

void
factor_round_init(struct factor_round *round)
{
	*round = (struct factor_round){ 0 };
	buf_init(&round->info, IPC_INSTRUCTIONS_MAX);
}

void
factor_round_next(struct factor_round *round)
{
	buf_reset(&round->info);
	round->n = 0;
}

void
factor_round_free(struct factor_round *round)
{
	buf_free(&round->info);
}

/* Does the line begin with this word?  Its text is then what follows the blank behind it. */
static int
factor_line_is(struct bytes line, const char *word, struct bytes *text)
{
	const size_t len = strlen(word);

	if (line.len < len || memcmp(line.p, word, len) != 0)
		return 0;
	*text = (struct bytes){ line.p + len, line.len - len };
	if (text->len == 0)
		return 1;
	if (text->p[0] != ' ')
		return 0;
	text->p++;
	text->len--;
	return 1;
}

/* 0, or ERR_FORMAT or ERR_TOOBIG with why. */
static int
factor_question_add(struct factor_round *round, int echo, struct bytes text, struct reason *why)
{
	struct factor_question *q;

	if (text.len == 0) {
		reason_set(why, "line %u of its output has a question without a text", round->line);
		return ERR_FORMAT;
	}
	if (round->n == IPC_QUESTIONS_MAX) {
		reason_set(why, "line %u of its output is one question more than %d", round->line,
		    IPC_QUESTIONS_MAX);
		return ERR_TOOBIG;
	}
	q = &round->questions[round->n++];
	q->echo = echo;
	q->len = text.len;
	memcpy(q->text, text.p, text.len);
	return 0;
}

static int
factor_info_add(struct factor_round *round, struct bytes text, struct reason *why)
{
	if (round->info.len > 0)
		buf_put_u8(&round->info, '\n');
	buf_put(&round->info, text.p, text.len);
	if (buf_err(&round->info) == 0)
		return 0;
	reason_set(why, "line %u of its output: more than %d bytes of info in one round",
	    round->line, IPC_INSTRUCTIONS_MAX);
	return ERR_TOOBIG;
}

static int
factor_ask_add(struct factor_round *round, struct reason *why)
{
	if (++round->rounds <= FACTOR_ROUNDS_MAX)
		return 0;
	reason_set(why, "line %u of its output asks once more than %d times", round->line,
	    FACTOR_ROUNDS_MAX);
	return ERR_TOOBIG;
}

static enum factor_said
factor_line_read(struct factor_round *round, struct bytes line, struct reason *why)
{
	struct bytes text;
	int r;

	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	if (line.len > FACTOR_LINE_MAX) {
		reason_set(why, "line %u of its output has more than %d bytes", round->line,
		    FACTOR_LINE_MAX);
		return FACTOR_BAD;
	}
	if (bytes_is(line, "ask"))
		return factor_ask_add(round, why) == 0 ? FACTOR_ASK : FACTOR_BAD;
	if (factor_line_is(line, "prompt", &text))
		r = factor_question_add(round, 0, text, why);
	else if (factor_line_is(line, "echo", &text))
		r = factor_question_add(round, 1, text, why);
	else if (factor_line_is(line, "info", &text))
		r = factor_info_add(round, text, why);
	else {
		reason_set(why, "line %u of its output begins with none of prompt, echo, info, ask",
		    round->line);
		return FACTOR_BAD;
	}
	return r == 0 ? FACTOR_MORE : FACTOR_BAD;
}

enum factor_said
factor_round_read(struct factor_round *round, struct bytes *text, struct reason *why)
{
	enum factor_said said = FACTOR_MORE;
	struct bytes line;
	const uint8_t *end;

	while (said == FACTOR_MORE && text->len > 0) {
		end = memchr(text->p, '\n', text->len);
		/* with "\r" */
		if (end == NULL && text->len <= FACTOR_LINE_MAX + 1)
			return FACTOR_MORE;
		line = *text;
		if (end != NULL)
			line.len = (size_t)(end - text->p);
		round->line++;
		said = factor_line_read(round, line, why);
		if (end == NULL)
			return FACTOR_BAD;
		text->p = end + 1;
		text->len -= line.len + 1;
	}
	return said;
}
