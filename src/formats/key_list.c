/*
 * Finding a key in a file of public keys.  Called by access/key_list_cache.c and krl.c.
 */
#include "formats/cert.h"
#include "formats/key_list.h"
#include "formats/pubkey.h"
#include "formats/text.h"

#define LINE_MAX_BYTES 65536

int
key_list_line(struct bytes line, enum key_list kind, struct buf *key)
{
	struct buf found;
	int r;

	buf_reset(key);
	text_skip_blanks(&line);
	if (line.len == 0 || line.p[0] == '#')
		return 0;
	if (line.len > LINE_MAX_BYTES)
		return ERR_FORMAT;
	if (kind != KEY_LIST_REVOKED) {
		r = pubkey_parse((const char *)line.p, line.len, key);
		return r == 0 ? 1 : r;
	}
	buf_init(&found, LINE_MAX_BYTES);
	r = pubkey_parse((const char *)line.p, line.len, &found);
	if (r == 0) {
		cert_put_key(buf_bytes(&found), key);
		r = buf_err(key);
	}
	buf_free(&found);
	return r == 0 ? 1 : r;
}

int
key_list_has(struct bytes text, const struct bytes *keys, size_t n, enum key_list kind)
{
	struct bytes line;
	struct buf key;
	int r = 0;
	size_t i;

	buf_init(&key, LINE_MAX_BYTES);
	while (r == 0 && text_line(&text, &line)) {
		r = key_list_line(line, kind, &key);
		if (r == 1)
			for (i = 0, r = 0; r == 0 && i < n; i++)
				r = bytes_equal(buf_bytes(&key), keys[i]);
		else if (r < 0)
			r = kind == KEY_LIST_REVOKED ? ERR_FORMAT : 0;
	}
	buf_free(&key);
	return r;
}

int
key_list_has_indexed(const struct key_index *index, const struct bytes *keys, size_t n,
    enum key_list kind)
{
	unsigned int bad = kind == KEY_LIST_REVOKED ? key_index_bad_line(index) : 0;
	const struct key_line *lines;
	size_t i;

	for (i = 0; i < n; i++)
		if (key_index_find(index, keys[i], &lines) > 0 &&
		    (bad == 0 || lines[0].number < bad))
			return 1;
	return bad != 0 ? ERR_FORMAT : 0;
}
