#include <string.h>

#include "auth/auth_methods.h"
#include "wire/wire.h"

static const char *const known[] = { "publickey", "password", "keyboard-interactive" };

#define NKNOWN (sizeof(known) / sizeof(known[0]))

/* The known method that is number n of a list; NULL behind its end. */
static const char *
list_method(const char *list, unsigned int n)
{
	size_t len, i;

	for (; n > 0; n--) {
		list += strcspn(list, ",");
		if (*list++ == '\0')
			return NULL;
	}
	len = strcspn(list, ",");
	for (i = 0; i < NKNOWN; i++)
		if (strlen(known[i]) == len && memcmp(list, known[i], len) == 0)
			return known[i];
	return NULL;
}

static unsigned int
list_length(const char *list)
{
	unsigned int n = 1;

	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

static size_t
count(const struct auth_methods *m)
{
	if (m->lists == NULL)
		return 0;
	return m->lists->n < AUTH_METHODS_LISTS_MAX ? m->lists->n : AUTH_METHODS_LISTS_MAX;
}

void
auth_methods_init(struct auth_methods *m, const struct strlist *lists)
{
	*m = (struct auth_methods){ .lists = lists };
}

int
auth_methods_step(struct auth_methods *m, const char *method)
{
	const char *next;
	size_t i;

	for (i = 0; i < count(m) && !m->complete; i++) {
		next = list_method(m->lists->v[i], m->passed[i]);
		if (next == NULL || strcmp(next, method) != 0)
			continue;
		m->passed[i]++;
		if (m->passed[i] == list_length(m->lists->v[i]))
			m->complete = 1;
	}
	return m->complete;
}

void
auth_methods_next(const struct auth_methods *m, char out[AUTH_METHODS_NEXT_SIZE])
{
	const char *next;
	size_t i;

	out[0] = '\0';
	for (i = 0; i < count(m); i++) {
		next = list_method(m->lists->v[i], m->passed[i]);
		if (next != NULL)
			auth_methods_add(out, AUTH_METHODS_NEXT_SIZE, next);
	}
}

void
auth_methods_add(char *list, size_t size, const char *name)
{
	size_t len = strlen(list), more = strlen(name);

	if (namelist_has(list, name) || len + 1 + more + 1 > size)
		return;
	if (len > 0)
		list[len++] = ',';
	memcpy(list + len, name, more + 1);
}

void
auth_methods_add_carried(char list[AUTH_METHODS_NEXT_SIZE], const char *a, const char *b)
{
	static const char *const carried[] = { "password", "keyboard-interactive" };
	size_t i;

	for (i = 0; i < sizeof(carried) / sizeof(carried[0]); i++)
		if (namelist_has(a, carried[i]) && namelist_has(b, carried[i]))
			auth_methods_add(list, AUTH_METHODS_NEXT_SIZE, carried[i]);
}
