/*
 * Passphrases and passwords from the user at the terminal.
 */
#ifndef BASE_READPASS_H
#define BASE_READPASS_H

#include "base/err.h"
#include "base/secret.h"

#define PASSPHRASE_MAX 1024 /* bytes; longer ones are refused, not cut */

/*
 * Ask for a passphrase on the terminal, without echo.  If standard input is not a terminal, its
 * next line is the passphrase, and no prompt is shown.  The secret holds the text and its NUL.
 * 0; ERR_EOF: end of file instead of a line; ERR_TOOBIG: too long, or a NUL in it; ERR_SYS;
 * ERR_NOMEM.
 */
int readpass(const char *prompt, struct secret **out) MUST_CHECK;

/* Ask for a new passphrase: on the terminal twice, again and again until both are the same. */
int readpass_new(const char *prompt, struct secret **out) MUST_CHECK;

#endif
