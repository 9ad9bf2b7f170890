/*
 * Strings of JSON.  Called for each line of a JSON log, and for the answers of the control socket.
 */
#include "base/json.h"
#include "base/utf8.h"

void
json_put_text(struct buf *b, const void *text, size_t len)
{
	const uint8_t *p = text;
	size_t i, n;

	buf_put_u8(b, '"');
	for (i = 0; i < len; i += n) {
		n = 1;
		if (p[i] == '"' || p[i] == '\\')
			buf_put(b, (const uint8_t[]){ '\\', p[i] }, 2);
		else if (p[i] < 0x20 || p[i] == 0x7f)
			buf_putf(b, "\\u%04x", p[i]);
		else if ((n = utf8_harmless(p + i, len - i)) > 0)
			buf_put(b, p + i, n);
		else {
			buf_putf(b, "\\ufffd");
			n = 1;
		}
	}
	buf_put_u8(b, '"');
}
