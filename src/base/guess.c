/*
 * The distance of two words.  Called where a configuration has a word that is not known: for
 * keywords by conf/, for algorithms by wire/.
 */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/guess.h"

/* The longest word for which the distance is computed: longer than every keyword and algorithm. */
#define GUESS_LEN 64

/* Levenshtein distance of two short words, case ignored. */
static unsigned int
guess_distance(const char *a, const char *b)
{
	unsigned int row[GUESS_LEN + 1], above, left, least;
	size_t i, j, la = strlen(a), lb = strlen(b);

	if (la > GUESS_LEN || lb > GUESS_LEN)
		return UINT32_MAX;
	for (j = 0; j <= lb; j++)
		row[j] = (unsigned int)j;
	for (i = 1; i <= la; i++) {
		above = row[0];
		row[0] = (unsigned int)i;
		for (j = 1; j <= lb; j++) {
			left = row[j - 1];
			least = above + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
			if (left + 1 < least)
				least = left + 1;
			if (row[j] + 1 < least)
				least = row[j] + 1;
			above = row[j];
			row[j] = least;
		}
	}
	return row[lb];
}

int
guess_closer(const char *word, const char *name, unsigned int *best)
{
	unsigned int d = guess_distance(word, name);

	if (d >= *best || d * 2 >= strlen(name))
		return 0;
	*best = d;
	return 1;
}
