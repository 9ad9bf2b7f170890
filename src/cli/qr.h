/*
 * A QR code as text, for a terminal of 80 columns.
 */
#ifndef CLI_QR_H
#define CLI_QR_H

#include "base/buf.h"

#define QR_COLUMNS 80

/*
 * Append the QR code of the text, in lines of half blocks of UTF-8.  With colour, each line begins with what
 * makes a terminal draw white on black, whatever its colours are; without, it has to be read so.  0;
 * ERR_TOOBIG: it is wider than QR_COLUMNS, and nothing is appended; or ERR_NOMEM.
 *
 * libqrencode frees copies of the text without wiping them: they last as long as the process.
 */
int qr_put(struct buf *out, const char *text, int colour) MUST_CHECK;

#endif
