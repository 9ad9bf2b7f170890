/*
 * Files of public keys, one "TYPE BASE64 [comment]" in a line, with blank lines and '#' comments:
 * TrustedUserCAKeys, and RevokedKeys as text.
 */
#ifndef FORMATS_KEY_LIST_H
#define FORMATS_KEY_LIST_H

#include "formats/key_index.h"
#include "wire/wire.h"

enum key_list {
	KEY_LIST_TRUSTED, /* lines without a plain key are ignored */
	KEY_LIST_REVOKED, /* a certificate counts as its key, and a line without a key is an error */
};

/* 1 if one of the plain keys is in the text, 0 if not, or ERR_FORMAT. */
int key_list_has(struct bytes text, const struct bytes *keys, size_t n,
    enum key_list kind) MUST_CHECK;

/* The same for a file with an index (KEY_INDEX_TRUSTED, KEY_INDEX_REVOKED). */
int key_list_has_indexed(const struct key_index *index, const struct bytes *keys, size_t n,
    enum key_list kind) MUST_CHECK;

/* Append the key of a line to key, in the form in which it is compared.  1; 0 if the line is
 * blank or a comment; or an ERR_*. */
int key_list_line(struct bytes line, enum key_list kind, struct buf *key) MUST_CHECK;

#endif
