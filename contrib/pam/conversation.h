/* What PAM modules ask and say, as the lines of sallyport-exec(5), Factor. */
#ifndef PAM_CONVERSATION_H
#define PAM_CONVERSATION_H

#include <security/pam_appl.h>

#include "lines.h"

/* A gateway takes no more in a round, and no more rounds. */
#define CONVERSATION_QUESTIONS 8
#define CONVERSATION_ROUNDS 16

struct conversation {
	struct lines in;
	int out;
	int rounds;
	int said;   /* text that no round has ended yet */
	int broken; /* the peer is gone, or has sent what is no answer */
};

/* The function of a struct pam_conv, whose appdata_ptr is a struct conversation. */
int conversation_run(int n, const struct pam_message **messages, struct pam_response **responses,
    void *appdata);

/* Have text shown that modules have said after the last question. */
void conversation_finish(struct conversation *c);

#endif
