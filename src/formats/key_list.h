/*
 * Files of public keys, one "TYPE BASE64 [comment]" a line, blank lines and '#' comments
 * besides: TrustedUserCAKeys, and RevokedKeys in its plain form.
 */
#ifndef FORMATS_KEY_LIST_H
#define FORMATS_KEY_LIST_H

#include "formats/key_index.h"
#include "wire/wire.h"

enum key_list {
	KEY_LIST_TRUSTED, /* a line that holds no plain key is passed over */
	KEY_LIST_REVOKED, /* a certificate stands for its key, and what is no key is an error */
};

/* 1 if one of the plain keys is in the text, 0 if not, or ERR_FORMAT. */
int key_list_has(struct bytes text, const struct bytes *keys, size_t n,
    enum key_list kind) MUST_CHECK;

/* The same for a file with an index (KEY_INDEX_TRUSTED, KEY_INDEX_REVOKED). */
int key_list_has_indexed(const struct key_index *index, const struct bytes *keys, size_t n,
    enum key_list kind) MUST_CHECK;

/* The key on one line, for key, as it is compared: 1; 0 if the line is blank or a comment; or an
 * ERR_*. */
int key_list_line(struct bytes line, enum key_list kind, struct buf *key) MUST_CHECK;

#endif
