#include "auth/cert.h"
#include "auth/key_list.h"
#include "auth/pubkey.h"
#include "auth/text.h"

#define LINE_MAX_BYTES 65536

/* 1, 0, or ERR_FORMAT if the line holds no key. */
static int
line_has(struct bytes line, const struct bytes *keys, size_t n, enum key_list kind)
{
	struct buf found, plain;
	struct bytes key;
	int r = ERR_FORMAT;
	size_t i;

	buf_init(&found, LINE_MAX_BYTES);
	buf_init(&plain, LINE_MAX_BYTES);
	if (line.len <= LINE_MAX_BYTES &&
	    pubkey_parse((const char *)line.p, line.len, &found) == 0) {
		key = (struct bytes){ found.data, found.len };
		if (kind == KEY_LIST_REVOKED) {
			cert_put_key(key, &plain);
			key = (struct bytes){ plain.data, plain.len };
		}
		for (i = 0, r = buf_err(&plain); r == 0 && i < n; i++)
			r = bytes_equal(key, keys[i]);
	}
	buf_free(&plain);
	buf_free(&found);
	return r;
}

int
key_list_has(struct bytes text, const struct bytes *keys, size_t n, enum key_list kind)
{
	struct bytes line;
	int r = 0;

	while (text_line(&text, &line)) {
		text_skip_blanks(&line);
		if (line.len == 0 || line.p[0] == '#')
			continue;
		r = line_has(line, keys, n, kind);
		if (r == 1 || (r < 0 && kind == KEY_LIST_REVOKED))
			return r < 0 ? ERR_FORMAT : 1;
	}
	return 0;
}
