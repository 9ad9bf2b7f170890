/*
 * Lists of strings, for values of the configuration, options of keys and policies.
 */
#include <stdlib.h>
#include <string.h>

#include "base/strlist.h"

int
strlist_add(struct strlist *l, const char *s, size_t len)
{
	char **v = realloc(l->v, (l->n + 2) * sizeof(*v));

	if (v == NULL)
		return ERR_NOMEM;
	l->v = v;
	v[l->n] = strndup(s, len);
	if (v[l->n] == NULL)
		return ERR_NOMEM;
	v[++l->n] = NULL;
	return 0;
}

int
strlist_add_words(struct strlist *l, const char *s)
{
	size_t n;

	for (s += strspn(s, " \t"); *s != '\0'; s += strspn(s, " \t")) {
		n = strcspn(s, " \t");
		if (strlist_add(l, s, n) != 0)
			return ERR_NOMEM;
		s += n;
	}
	return 0;
}

int
strlist_has(const struct strlist *l, const char *s)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return 1;
	return 0;
}

void
strlist_free(struct strlist *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strlist){ 0 };
}
