/*
 * A QR code as lines of a terminal, for totp_enroll.c.
 */
#include <errno.h>
#include <string.h>

#include <qrencode.h>

#include "cli/qr.h"

/* Modules of white around the code: the standard says four, readers of screens need two. */
#define QUIET 2

/* What libqrencode's own command writes: black background, bright white foreground; and back. */
#define COLOUR_BEGIN "\033[40;37;1m"
#define COLOUR_END "\033[0m"

static int
qr_is_light(const QRcode *qr, int x, int y)
{
	return x < 0 || y < 0 || x >= qr->width || y >= qr->width ||
	    (qr->data[y * qr->width + x] & 1) == 0;
}

/* Each line has two rows of modules: what is light is drawn. */
static void
qr_put_line(struct buf *out, const QRcode *qr, int y)
{
	static const char *const blocks[2][2] = { { " ", "\u2584" }, { "\u2580", "\u2588" } };
	int x;

	for (x = -QUIET; x < qr->width + QUIET; x++)
		buf_putf(out, "%s", blocks[qr_is_light(qr, x, y)][qr_is_light(qr, x, y + 1)]);
}

int
qr_put(struct buf *out, const char *text, int colour)
{
	QRcode *qr = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
	int y, r = 0;

	if (qr == NULL)
		return errno == ERANGE ? ERR_TOOBIG : ERR_NOMEM;
	if (qr->width + 2 * QUIET > QR_COLUMNS)
		r = ERR_TOOBIG;
	/* the width is odd, so the last line ends with a light row of its own */
	for (y = -QUIET; r == 0 && y < qr->width + QUIET; y += 2) {
		if (colour)
			buf_putf(out, COLOUR_BEGIN);
		qr_put_line(out, qr, y);
		buf_putf(out, colour ? COLOUR_END "\n" : "\n");
	}
	explicit_bzero(qr->data, (size_t)qr->width * (size_t)qr->width);
	QRcode_free(qr);
	return r != 0 ? r : buf_err(out);
}
