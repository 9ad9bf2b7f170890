/*
 * A passphrase, from the person who starts the program.
 */
#ifndef BASE_READPASS_H
#define BASE_READPASS_H

#include "base/err.h"
#include "base/secret.h"

#define PASSPHRASE_MAX 1024

/*
 * Ask for one on the terminal, without echo; if standard input is not a terminal,
 * take the next line from there instead and say nothing.  The secret holds the text
 * and its NUL.  ERR_EOF: there was none; ERR_TOOBIG; ERR_SYS; ERR_NOMEM.
 */
int readpass(const char *prompt, struct secret **out) MUST_CHECK;

/* A new one: on the terminal it is asked for twice, until both are the same. */
int readpass_new(const char *prompt, struct secret **out) MUST_CHECK;

#endif
