/* The conversation of PAM, in lines: main.c gives it to pam_start(). */
#include "conversation.h"

#include <stdlib.h>
#include <string.h>

/* The lines of a text are "info" lines, but the last, which is of this word. */
static int
conversation_say(struct conversation *c, const char *word, const char *text)
{
	size_t len;
	const char *end;

	if (text == NULL)
		text = "";
	while ((end = strchr(text, '\n')) != NULL && end[strspn(end, " \r\n")] != '\0') {
		len = end - text;
		if (strspn(text, " \r") < len && lines_put_text(c->out, "info", text, len) == -1)
			return -1;
		text = end + 1;
	}
	len = strcspn(text, "\r\n");
	if (strspn(text, " ") == len) {
		if (strcmp(word, "info") == 0)
			return 0;
		text = "Response: ";
		len = strlen(text);
	}
	c->said = 1;
	return lines_put_text(c->out, word, text, len);
}

/* The end of a round, after this many questions; their answers, which are the caller's. */
static int
conversation_ask(struct conversation *c, int questions, char **answers)
{
	char line[LINE_MOST + 1];
	int i, status = 0;

	if (questions > CONVERSATION_QUESTIONS || c->rounds++ == CONVERSATION_ROUNDS)
		return -1;
	c->said = 0;
	if (lines_put(c->out, "ask\n", 4) == -1)
		return -1;
	for (i = 0; i < questions && status == 0; i++)
		if (lines_get(&c->in, line) != 1 || (answers[i] = strdup(line)) == NULL)
			status = -1;
	explicit_bzero(line, sizeof(line));
	return status;
}

static void
conversation_forget(char **answers, int n)
{
	for (int i = 0; i < n; i++) {
		if (answers[i] != NULL)
			explicit_bzero(answers[i], strlen(answers[i]));
		free(answers[i]);
	}
}

int
conversation_run(int n, const struct pam_message **messages, struct pam_response **responses,
    void *appdata)
{
	struct conversation *c = appdata;
	struct pam_response *all;
	char *answers[CONVERSATION_QUESTIONS] = { NULL };
	int i, questions = 0, failed = 0;

	*responses = NULL;
	if (c->broken || n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	all = calloc(n, sizeof(*all));
	if (all == NULL)
		return PAM_BUF_ERR;
	for (i = 0; i < n && !failed; i++) {
		switch (messages[i]->msg_style) {
		case PAM_PROMPT_ECHO_OFF:
		case PAM_PROMPT_ECHO_ON:
			questions++;
			failed = conversation_say(c,
			    messages[i]->msg_style == PAM_PROMPT_ECHO_ON ? "echo" : "prompt",
			    messages[i]->msg);
			break;
		case PAM_TEXT_INFO:
		case PAM_ERROR_MSG:
			failed = conversation_say(c, "info", messages[i]->msg);
			break;
		default:
			failed = -1;
		}
	}
	/* text without a question is shown with the next one, or at the end */
	if (!failed && questions > 0)
		failed = conversation_ask(c, questions, answers);
	if (failed) {
		conversation_forget(answers, CONVERSATION_QUESTIONS);
		free(all);
		c->broken = 1;
		return PAM_CONV_ERR;
	}
	for (questions = 0, i = 0; i < n; i++)
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF ||
		    messages[i]->msg_style == PAM_PROMPT_ECHO_ON)
			all[i].resp = answers[questions++];
	*responses = all;
	return PAM_SUCCESS;
}

void
conversation_finish(struct conversation *c)
{
	if (c->said && !c->broken && conversation_ask(c, 0, NULL) == -1)
		c->broken = 1;
}
