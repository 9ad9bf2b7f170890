#include <string.h>

#include "base/json.h"
#include "master/reloaded.h"

/* Of a character in the worst case: \uXXXX. */
#define JSON_CHARACTER 6
/* Quotes and a comma around a line, and what ends it all. */
#define JSON_AROUND 16

static void
put_errors(struct buf *b, const char *text)
{
	const char *line = text, *before = "";
	size_t len;

	for (; *line != '\0'; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		if (b->len + len * JSON_CHARACTER + JSON_AROUND > b->max)
			return;
		buf_putf(b, "%s", before);
		json_put_text(b, line, len);
		before = ",";
	}
}

void
reloaded_put_json(struct buf *b, int ok, unsigned int count, const char *text)
{
	if (ok) {
		buf_putf(b, "{\"ok\":true,\"routes\":%u}\n", count);
		return;
	}
	buf_putf(b, "{\"ok\":false,\"count\":%u,\"errors\":[", count);
	put_errors(b, text);
	buf_putf(b, "]}\n");
}
