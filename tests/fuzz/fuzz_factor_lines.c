/*
 * errand/factor_lines: the input is what a program of a second factor prints.  Output that comes byte by byte
 * means the same as output that comes at once.
 */
#include <string.h>

#include "errand/factor_lines.h"
#include "fuzz.h"

/* What all rounds are, in short. */
struct sum {
	enum factor_said said;
	unsigned int rounds, line;
	size_t questions, bytes;
};

static struct sum
play(const uint8_t *data, size_t len, size_t step)
{
	static struct factor_round round;
	struct reason why = { "" };
	struct sum sum = { 0 };
	size_t have = 0, taken = 0, i;
	struct bytes text;

	factor_round_init(&round);
	while (sum.said != FACTOR_BAD && (have < len || sum.said == FACTOR_ASK)) {
		if (sum.said == FACTOR_MORE)
			have = have + step < len ? have + step : len;
		text = (struct bytes){ data + taken, have - taken };
		sum.said = factor_round_read(&round, &text, &why);
		CHECK(text.len <= have - taken && text.p + text.len == data + have);
		CHECK((sum.said == FACTOR_BAD) == (why.text[0] != '\0'));
		CHECK(round.n <= IPC_QUESTIONS_MAX && round.info.len <= IPC_INSTRUCTIONS_MAX);
		taken = have - text.len;
		if (sum.said == FACTOR_MORE)
			CHECK(text.len <= FACTOR_LINE_MAX + 1);
		if (sum.said != FACTOR_ASK)
			continue;
		CHECK(buf_err(&round.info) == 0 && round.rounds <= FACTOR_ROUNDS_MAX);
		sum.questions += round.n;
		sum.bytes += round.info.len;
		for (i = 0; i < round.n; i++) {
			CHECK(round.questions[i].len > 0);
			CHECK(round.questions[i].len <= FACTOR_LINE_MAX);
			CHECK(
			    memchr(round.questions[i].text, '\n', round.questions[i].len) == NULL);
			sum.bytes += round.questions[i].len;
		}
		factor_round_next(&round);
	}
	sum.rounds = round.rounds;
	sum.line = round.line;
	factor_round_free(&round);
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct sum at_once = play(data, len, len), slowly = play(data, len, 1);

	CHECK(at_once.said == slowly.said && at_once.rounds == slowly.rounds);
	CHECK(at_once.line == slowly.line && at_once.questions == slowly.questions);
	CHECK(at_once.bytes == slowly.bytes);
	return 0;
}
