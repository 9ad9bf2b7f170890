/*
 * An index of a file of public keys: which lines hold which key, so that a long list is not read
 * through for each key that a client offers.
 */
#ifndef FORMATS_KEY_INDEX_H
#define FORMATS_KEY_INDEX_H

#include "wire/wire.h"

enum key_index_kind {
	KEY_INDEX_AUTHORIZED, /* authorized_keys.h */
	KEY_INDEX_TRUSTED,    /* key_list.h */
	KEY_INDEX_REVOKED,
};

#define KEY_INDEX_HASH_SIZE 32 /* BLAKE2b of a key */

struct key_line {
	uint8_t hash[KEY_INDEX_HASH_SIZE];
	uint32_t offset, len; /* in the file, without the line's end */
	uint32_t number;      /* from 1 */
};

struct key_index;

/* A function that returns the bytes of a line of the file, valid until its next call.  0 or an
 * ERR_*. */
typedef int key_index_read(void *ctx, const struct key_line *at, struct bytes *line);

/* Index a text (below 4 GiB).  0 or ERR_NOMEM, ERR_TOOBIG. */
int key_index_new(struct bytes text, enum key_index_kind kind, struct key_index **out) MUST_CHECK;
void key_index_free(struct key_index **index); /* takes NULL */

/* The number of lines that hold the key, with the first in *lines; in the order of the file. */
size_t key_index_find(const struct key_index *index, struct bytes key,
    const struct key_line **lines);

/* The number of the first line that is neither blank, nor a comment, nor a key; 0 if there is
 * none. */
unsigned int key_index_bad_line(const struct key_index *index);

/* Bytes of memory that the index takes. */
size_t key_index_size(const struct key_index *index);

#endif
