/*
 * An index of a list of keys, sorted by a hash of the key.  Made by access/key_list_cache.c.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "formats/authorized_keys.h"
#include "formats/key_index.h"
#include "formats/key_list.h"
#include "formats/text.h"

#define BLOB_SIZE 65536 /* of a key: as long as a line may be */

struct key_index {
	struct key_line *lines;
	size_t n, room;
	unsigned int bad_line;
};

/* Append the key of a line.  1; 0 if the line is blank or a comment; or an ERR_*. */
static int
key_index_key_of(struct bytes line, enum key_index_kind kind, struct buf *key)
{
	if (kind == KEY_INDEX_AUTHORIZED)
		return authorized_keys_line_key(line, key);
	return key_list_line(line, kind == KEY_INDEX_TRUSTED ? KEY_LIST_TRUSTED : KEY_LIST_REVOKED,
	    key);
}

static struct key_line *
key_index_line_new(struct key_index *index)
{
	struct key_line *more;
	size_t room;

	if (index->n == index->room) {
		room = index->room == 0 ? 64 : index->room * 2;
		more = reallocarray(index->lines, room, sizeof(*more));
		if (more == NULL)
			return NULL;
		index->lines = more;
		index->room = room;
	}
	return &index->lines[index->n++];
}

static int
key_index_compare(const void *a, const void *b)
{
	const struct key_line *x = a, *y = b;
	int r = memcmp(x->hash, y->hash, sizeof(x->hash));

	return r != 0 ? r : (x->number > y->number) - (x->number < y->number);
}

int
key_index_new(struct bytes text, enum key_index_kind kind, struct key_index **out)
{
	struct bytes rest = text, line;
	struct key_index *index;
	struct key_line *l;
	unsigned int number = 0;
	struct buf key;
	int r = 0;

	*out = NULL;
	if (text.len > UINT32_MAX)
		return ERR_TOOBIG;
	index = calloc(1, sizeof(*index));
	if (index == NULL)
		return ERR_NOMEM;
	buf_init(&key, BLOB_SIZE);
	while (r != ERR_NOMEM && text_line(&rest, &line)) {
		number++;
		r = key_index_key_of(line, kind, &key);
		if (r < 0 && index->bad_line == 0)
			index->bad_line = number;
		if (r != 1)
			continue;
		l = key_index_line_new(index);
		if (l == NULL) {
			r = ERR_NOMEM;
			break;
		}
		crypto_generichash(l->hash, sizeof(l->hash), key.data, key.len, NULL, 0);
		l->offset = (uint32_t)(line.p - text.p);
		l->len = (uint32_t)line.len;
		l->number = number;
	}
	buf_free(&key);
	if (r == ERR_NOMEM) {
		key_index_free(&index);
		return r;
	}
	if (index->n > 0)
		qsort(index->lines, index->n, sizeof(index->lines[0]), key_index_compare);
	*out = index;
	return 0;
}

void
key_index_free(struct key_index **index)
{
	if (*index == NULL)
		return;
	free((*index)->lines);
	free(*index);
	*index = NULL;
}

size_t
key_index_find(const struct key_index *index, struct bytes key, const struct key_line **lines)
{
	struct key_line wanted = { .number = 0 }; /* sorts before every line with this hash */
	size_t low = 0, high = index->n, middle, n = 0;

	crypto_generichash(wanted.hash, sizeof(wanted.hash), key.p, key.len, NULL, 0);
	while (low < high) {
		middle = low + (high - low) / 2;
		if (key_index_compare(&index->lines[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*lines = index->n == 0 ? NULL : &index->lines[low];
	while (low + n < index->n &&
	    memcmp(index->lines[low + n].hash, wanted.hash, sizeof(wanted.hash)) == 0)
		n++;
	return n;
}

unsigned int
key_index_bad_line(const struct key_index *index)
{
	return index->bad_line;
}

size_t
key_index_size(const struct key_index *index)
{
	return sizeof(*index) + index->room * sizeof(index->lines[0]);
}
