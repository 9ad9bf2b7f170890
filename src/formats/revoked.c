/*
 * The list of what a CA has revoked, as text (revoked.h).  Called by cli/ca_revoke.c.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/log.h"
#include "formats/pubkey.h"
#include "formats/revoked.h"
#include "formats/text.h"

#define REVOKED_CA_MAX 16384 /* of a public key blob: RSA of 8192 bits has 1 KiB */

void
revoked_init(struct revoked *r)
{
	*r = (struct revoked){ 0 };
	buf_init(&r->ca, REVOKED_CA_MAX);
}

void
revoked_free(struct revoked *r)
{
	buf_free(&r->ca);
	free(r->name);
	free(r->serials);
	strlist_free(&r->ids);
	strlist_free(&r->keys);
	revoked_init(r);
}

/* --- numbers --- */

/* Take a decimal number off the front. */
static int
revoked_number(const char **text, uint64_t *n)
{
	const char *p = *text;

	*n = 0;
	if (*p < '0' || *p > '9')
		return ERR_FORMAT;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (*n > (UINT64_MAX - (uint64_t)(*p - '0')) / 10)
			return ERR_FORMAT;
		*n = *n * 10 + (uint64_t)(*p - '0');
	}
	*text = p;
	return 0;
}

static int
revoked_numbers(const char *text, char between, uint64_t *first, uint64_t *last)
{
	int r = revoked_number(&text, first);

	*last = *first;
	if (r == 0 && *text == between) {
		text++;
		r = revoked_number(&text, last);
	}
	return r != 0 || *text != '\0' || *first == 0 || *first > *last ? ERR_FORMAT : 0;
}

int
revoked_serials(const char *text, uint64_t *first, uint64_t *last)
{
	return revoked_numbers(text, '-', first, last);
}

int
revoked_add_serials(struct revoked *r, uint64_t first, uint64_t last)
{
	struct revoked_range *more;
	size_t from, to;

	if (first == 0 || first > last)
		return ERR_FORMAT;
	/* from..to: those that the new range overlaps or touches, which become one with it */
	for (from = 0; from < r->n_serials && r->serials[from].last < first - 1; from++)
		;
	for (to = from; to < r->n_serials && r->serials[to].first - 1 <= last; to++)
		;
	if (to > from && r->serials[from].first <= first && r->serials[from].last >= last)
		return ERR_EXISTS;
	if (to > from) {
		if (r->serials[from].first < first)
			first = r->serials[from].first;
		if (r->serials[to - 1].last > last)
			last = r->serials[to - 1].last;
	} else {
		more = reallocarray(r->serials, r->n_serials + 1, sizeof(*more));
		if (more == NULL)
			return ERR_NOMEM;
		r->serials = more;
	}
	memmove(r->serials + from + 1, r->serials + to, (r->n_serials - to) * sizeof(*r->serials));
	r->serials[from] = (struct revoked_range){ first, last };
	r->n_serials = r->n_serials + 1 - (to - from);
	return 0;
}

/* --- texts --- */

static int
revoked_add_text(struct strlist *list, const char *text)
{
	return strlist_has(list, text) ? ERR_EXISTS : strlist_add(list, text, strlen(text));
}

int
revoked_add_id(struct revoked *r, const char *id)
{
	const size_t len = strlen(id);
	size_t i;

	/* a line, of which blanks at both ends would be lost */
	if (len == 0 || len > REVOKED_ID_MAX || text_is_blank((uint8_t)id[0]) ||
	    text_is_blank((uint8_t)id[len - 1]))
		return ERR_FORMAT;
	for (i = 0; i < len; i++)
		if ((uint8_t)id[i] < ' ' || id[i] == 0x7f)
			return ERR_FORMAT;
	return revoked_add_text(&r->ids, id);
}

int
revoked_fingerprint(const char *text, uint8_t out[32])
{
	char again[PUBKEY_FINGERPRINT_SIZE - 7];
	size_t len;

	if (strncmp(text, "SHA256:", 7) != 0 ||
	    sodium_base642bin(out, 32, text + 7, strlen(text + 7), NULL, &len, NULL,
		sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0 ||
	    len != 32)
		return ERR_FORMAT;
	sodium_bin2base64(again, sizeof(again), out, 32, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	return strcmp(again, text + 7) == 0 ? 0 : ERR_FORMAT;
}

int
revoked_add_key(struct revoked *r, const char *fingerprint)
{
	uint8_t hash[32];

	if (revoked_fingerprint(fingerprint, hash) != 0)
		return ERR_FORMAT;
	return revoked_add_text(&r->keys, fingerprint);
}

/* --- lines --- */

static int
revoked_take_ca(struct revoked *r, const char *value)
{
	return r->ca.len > 0 ? ERR_FORMAT : pubkey_parse(value, strlen(value), &r->ca);
}

static int
revoked_take_name(struct revoked *r, const char *value)
{
	if (r->name != NULL || value[0] == '\0')
		return ERR_FORMAT;
	r->name = strdup(value);
	return r->name == NULL ? ERR_NOMEM : 0;
}

static int
revoked_take_serials(struct revoked *r, const char *value)
{
	uint64_t first, last;

	if (revoked_numbers(value, ' ', &first, &last) != 0)
		return ERR_FORMAT;
	return revoked_add_serials(r, first, last);
}

static int
revoked_take(struct revoked *r, const char *line)
{
	static const struct {
		const char *word;
		int (*take)(struct revoked *r, const char *value);
	} words[] = {
		{ "ca", revoked_take_ca },
		{ "name", revoked_take_name },
		{ "serial", revoked_take_serials },
		{ "id", revoked_add_id },
		{ "key", revoked_add_key },
	};
	const char *value = strchr(line, ' ');
	size_t i, len;
	int err;

	if (value == NULL)
		return ERR_FORMAT;
	len = (size_t)(value - line);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].word) != len || memcmp(words[i].word, line, len) != 0)
			continue;
		err = words[i].take(r, value + 1);
		return err == ERR_EXISTS ? 0 : err;
	}
	return ERR_FORMAT;
}

int
revoked_get(struct revoked *r, struct bytes text, struct reason *why)
{
	unsigned int number = 0;
	struct bytes line;
	char *copy;
	int err = 0;

	while (err == 0 && text_line(&text, &line)) {
		number++;
		copy = strndup((const char *)line.p, line.len);
		if (copy == NULL)
			err = ERR_NOMEM;
		else if (strlen(copy) != line.len)
			err = ERR_FORMAT;
		else
			err = revoked_take(r, copy);
		free(copy);
	}
	if (err == 0 && r->ca.len == 0)
		err = ERR_FORMAT;
	if (err != 0 && err != ERR_NOMEM) {
		reason_set(why, "line %u of the list is not understood", number);
		err = ERR_FORMAT;
	}
	return err;
}

void
revoked_put(const struct revoked *r, struct buf *out)
{
	size_t i;

	buf_putf(out, "ca ");
	pubkey_format(buf_bytes(&r->ca), out);
	buf_put_u8(out, '\n');
	if (r->name != NULL)
		buf_putf(out, "name %s\n", r->name);
	for (i = 0; i < r->n_serials; i++) {
		buf_putf(out, "serial %" PRIu64, r->serials[i].first);
		if (r->serials[i].last != r->serials[i].first)
			buf_putf(out, " %" PRIu64, r->serials[i].last);
		buf_put_u8(out, '\n');
	}
	for (i = 0; i < r->ids.n; i++)
		buf_putf(out, "id %s\n", r->ids.v[i]);
	for (i = 0; i < r->keys.n; i++)
		buf_putf(out, "key %s\n", r->keys.v[i]);
}
