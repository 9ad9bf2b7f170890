#include <string.h>

#include "formats/pattern.h"
#include "base/glob.h"

int
pattern_match(struct bytes text, struct bytes pattern)
{
	return glob_match(text.p, text.len, pattern.p, pattern.len, GLOB_FOLD);
}

int
pattern_list_next(struct bytes *list, struct bytes *item, int *negated)
{
	const uint8_t *comma;

	*negated = 0;
	if (list->len == 0)
		return 0;
	comma = memchr(list->p, ',', list->len);
	item->p = list->p;
	item->len = comma == NULL ? list->len : (size_t)(comma - list->p);
	list->p += item->len + (comma != NULL);
	list->len -= item->len + (comma != NULL);
	if (item->len > 0 && item->p[0] == '!') {
		*negated = 1;
		item->p++;
		item->len--;
	}
	return 1;
}

int
pattern_list_match(struct bytes text, struct bytes list)
{
	struct bytes item;
	int negated, found = 0;

	while (pattern_list_next(&list, &item, &negated)) {
		if (!pattern_match(text, item))
			continue;
		if (negated)
			return -1;
		found = 1;
	}
	return found;
}
