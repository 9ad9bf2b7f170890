#include <stdio.h>
#include <string.h>

#include "auth/authorized_keys.h"
#include "auth/authorized_options.h"
#include "auth/pubkey.h"
#include "auth/text.h"

#define WHY_SIZE 256

/* Take the options off the front of a line: up to the first blank that is not
 * between quotes.  0 if a quote is left open. */
static int
take_options(struct bytes *s, struct bytes *options)
{
	int quoted = 0;
	size_t i;

	for (i = 0; i < s->len && (quoted || !text_is_blank(s->p[i])); i++) {
		if (s->p[i] == '\\' && i + 1 < s->len && s->p[i + 1] == '"')
			i++;
		else if (s->p[i] == '"')
			quoted = !quoted;
	}
	*options = (struct bytes){ s->p, i };
	s->p += i;
	s->len -= i;
	return !quoted;
}

/* Does the line hold this key?  Its options are what stands before it. */
static int
line_has_key(struct bytes line, struct bytes blob, struct buf *key, struct bytes *options)
{
	*options = (struct bytes){ line.p, 0 };
	buf_reset(key);
	if (pubkey_parse((const char *)line.p, line.len, key) != 0) {
		if (!take_options(&line, options))
			return 0;
		buf_reset(key);
		if (pubkey_parse((const char *)line.p, line.len, key) != 0)
			return 0;
	}
	return bytes_equal((struct bytes){ key->data, key->len }, blob);
}

int
authorized_keys_find(const char *text, size_t len, const struct authorized_request *request,
    struct authorized_options *options, char why[256])
{
	struct bytes rest = { (const uint8_t *)text, len }, line, words;
	struct buf key;
	char reason[WHY_SIZE - 32];
	unsigned int number = 0;
	int found = 0;

	why[0] = '\0';
	*options = (struct authorized_options){ 0 };
	buf_init(&key, AUTHORIZED_LINE_MAX);
	while (!found && text_line(&rest, &line)) {
		number++;
		text_skip_blanks(&line);
		if (line.len == 0 || line.len > AUTHORIZED_LINE_MAX || line.p[0] == '#' ||
		    !line_has_key(line, request->blob, &key, &words))
			continue;
		options->line = number;
		found = authorized_options_parse(words, request, options, reason, sizeof(reason));
		if (found)
			break;
		authorized_options_free(options);
		if (why[0] == '\0') /* of several, the first is told */
			snprintf(why, WHY_SIZE, "line %u: %s", number, reason);
	}
	buf_free(&key);
	if (found)
		why[0] = '\0';
	return found;
}
