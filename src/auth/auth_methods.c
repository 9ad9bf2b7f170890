/*
 * How far a login has come with AuthenticationMethods.  Called by the keeper for the client's
 * login.
 */
#include <string.h>

#include "auth/auth_methods.h"
#include "wire/methods.h"
#include "wire/wire.h"

/* The n-th method of a list, counted from 0.  NULL if the list is shorter. */
static const struct login_method *
list_method(const char *list, unsigned int n)
{
	const struct login_method *m;
	size_t len;

	for (; n > 0; n--) {
		list += strcspn(list, ",");
		if (*list++ == '\0')
			return NULL;
	}
	len = strcspn(list, ",");
	for (m = login_methods; m->name != NULL; m++)
		if ((m->flags & METHOD_ROUTE) && strlen(m->name) == len &&
		    memcmp(list, m->name, len) == 0)
			return m;
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
list_count(const struct auth_methods *m)
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
	const struct login_method *next;
	size_t i;

	for (i = 0; i < list_count(m) && !m->complete; i++) {
		next = list_method(m->lists->v[i], m->passed[i]);
		if (next == NULL || strcmp(next->name, method) != 0)
			continue;
		m->passed[i]++;
		if (m->passed[i] == list_length(m->lists->v[i]))
			m->complete = 1;
	}
	return m->complete;
}

int
auth_methods_begun(const struct auth_methods *m)
{
	size_t i;

	for (i = 0; i < list_count(m); i++)
		if (m->passed[i] > 0)
			return 1;
	return 0;
}

int
auth_methods_device_to_come(const struct auth_methods *m)
{
	const struct login_method *next;
	unsigned int n;
	size_t i;

	for (i = 0; i < list_count(m) && !m->complete; i++)
		for (n = m->passed[i]; m->passed[i] > 0; n++) {
			next = list_method(m->lists->v[i], n);
			if (next == NULL)
				break;
			if (next->flags & METHOD_DEVICE)
				return 1;
		}
	return 0;
}

size_t
auth_methods_conversations(const struct auth_methods *m, const char *out[AUTH_CONVERSATIONS_MAX])
{
	const struct login_method *next;
	size_t i, k, n = 0;

	for (i = 0; i < list_count(m) && !m->complete; i++) {
		next = list_method(m->lists->v[i], m->passed[i]);
		if (next == NULL ||
		    ((next->flags & METHOD_DEVICE) == 0 && strcmp(next->name, METHOD_KBDINT) != 0))
			continue;
		for (k = 0; k < n && out[k] != next->name; k++)
			;
		if (k == n && n < AUTH_CONVERSATIONS_MAX)
			out[n++] = next->name;
	}
	return n;
}

const char *
auth_conversation_choose(const char *const *methods, size_t n, const char *devices)
{
	const char *device;
	size_t i;

	for (i = 0; i < n; i++) {
		device = strchr(methods[i], ':');
		if (device != NULL && namelist_has(devices, device + 1))
			return methods[i];
	}
	return n > 0 ? methods[0] : NULL;
}

const char *
auth_methods_conversation(const struct auth_methods *m, const char *devices)
{
	const char *methods[AUTH_CONVERSATIONS_MAX] = { NULL };

	return auth_conversation_choose(methods, auth_methods_conversations(m, methods), devices);
}

void
auth_methods_next(const struct auth_methods *m, char out[AUTH_METHODS_NEXT_SIZE])
{
	const struct login_method *next;
	size_t i;

	out[0] = '\0';
	for (i = 0; i < list_count(m); i++) {
		next = list_method(m->lists->v[i], m->passed[i]);
		if (next != NULL)
			auth_methods_add(out, AUTH_METHODS_NEXT_SIZE,
			    next->flags & METHOD_DEVICE ? METHOD_KBDINT : next->name);
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
auth_methods_add_relayed(char list[AUTH_METHODS_NEXT_SIZE], const char *a, const char *b)
{
	const struct login_method *m;

	for (m = login_methods; m->name != NULL; m++)
		if ((m->flags & METHOD_RELAYED) && namelist_has(a, m->name) &&
		    namelist_has(b, m->name))
			auth_methods_add(list, AUTH_METHODS_NEXT_SIZE, m->name);
}
