/*
 * The lines that the program of Factor writes to its standard output (sallyport-exec(5)).  Pure: errand_factor.c
 * and a fuzz target give it bytes.
 */
#ifndef ERRAND_FACTOR_LINES_H
#define ERRAND_FACTOR_LINES_H

#include <stddef.h>

#include "base/buf.h"
#include "base/reason.h"
#include "ipc/ipc.h"

/* Bytes of a line, without its end: as many as a question may have. */
#define FACTOR_LINE_MAX IPC_QUESTION_MAX
/* Rounds of questions in one run: more than a person answers before FactorTimeout. */
#define FACTOR_ROUNDS_MAX 16

/* What the person is asked in one round.  The texts are as the program wrote them. */
struct factor_round {
	struct buf info; /* the lines of instructions, with a newline between two */
	size_t n;
	struct factor_question {
		int echo;
		size_t len;
		uint8_t text[FACTOR_LINE_MAX];
	} questions[IPC_QUESTIONS_MAX];
	unsigned int line;   /* lines read since factor_round_init() */
	unsigned int rounds; /* and of them "ask" */
};

enum factor_said {
	FACTOR_MORE, /* no round is complete yet */
	FACTOR_ASK,  /* a round is complete, and the person is to be asked */
	FACTOR_BAD,  /* the program does not keep to the contract: why */
};

void factor_round_init(struct factor_round *round);

/* Forget the questions, before the next round is read. */
void factor_round_next(struct factor_round *round);
void factor_round_free(struct factor_round *round);

/* Read whole lines off the front of *text, up to the end of a round.  *text is then what is left.  Why never
 * repeats what the program wrote: it may have written an answer. */
enum factor_said factor_round_read(struct factor_round *round, struct bytes *text,
    struct reason *why);

#endif
