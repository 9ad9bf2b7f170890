/*
 * The lines of a record.  Called by state.c for each record that is read, and by what reads one.
 */
#include <string.h>

#include "base/log.h"
#include "state/state.h"

#define WORD_MAX 32

static size_t
state_word_len(struct bytes line)
{
	size_t i;

	for (i = 0; i < line.len; i++)
		if (!((line.p[i] >= 'a' && line.p[i] <= 'z') ||
			(line.p[i] >= '0' && line.p[i] <= '9') || line.p[i] == '-'))
			break;
	return i;
}

int
state_line(struct bytes *rest, struct bytes *word, struct bytes *value)
{
	const uint8_t *end;
	struct bytes line;
	size_t i;

	if (rest->len == 0)
		return 0;
	end = memchr(rest->p, '\n', rest->len);
	if (end == NULL)
		return ERR_FORMAT;
	line = (struct bytes){ rest->p, (size_t)(end - rest->p) };
	*word = (struct bytes){ line.p, state_word_len(line) };
	if (word->len == 0 || word->len > WORD_MAX || word->len + 1 >= line.len ||
	    line.p[word->len] != ' ')
		return ERR_FORMAT;
	*value = (struct bytes){ line.p + word->len + 1, line.len - word->len - 1 };
	for (i = 0; i < value->len; i++)
		if (value->p[i] < 0x20 || value->p[i] == 0x7f)
			return ERR_FORMAT;
	*rest = (struct bytes){ end + 1, rest->len - line.len - 1 };
	return 1;
}

int
state_number(struct bytes value, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;
	unsigned int digit;
	size_t i;

	*out = 0;
	if (value.len == 0 || (value.p[0] == '0' && value.len > 1))
		return ERR_FORMAT;
	for (i = 0; i < value.len; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return ERR_FORMAT;
		digit = (unsigned int)value.p[i] - '0';
		if (n > (max - digit) / 10 || digit > max)
			return ERR_FORMAT;
		n = n * 10 + digit;
	}
	*out = n;
	return 0;
}

int
state_bad_record(const struct state *st, const char *kind, const char *name, struct bytes word,
    struct reason *why)
{
	char shown[WORD_MAX * 4 + 1];

	log_vis(shown, sizeof(shown), (const char *)word.p, word.len);
	reason_set(why,
	    "%s/%s/%s: the line \"%s\" means nothing to this version of sallyport: the file is "
	    "damaged, or of a later one",
	    state_path(st), kind, name, shown);
	return ERR_FORMAT;
}
