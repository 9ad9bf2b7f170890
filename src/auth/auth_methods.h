/*
 * AuthenticationMethods (sshd_config(5)): lists of methods, each to be passed from
 * its first to its last; any one list suffices.
 */
#ifndef AUTH_AUTH_METHODS_H
#define AUTH_AUTH_METHODS_H

#include <stddef.h>

#include "base/strlist.h"

#define AUTH_METHODS_LISTS_MAX 16
#define AUTH_CONVERSATIONS_MAX 3  /* without a device, and with each that there is */
#define AUTH_METHODS_NEXT_SIZE 64 /* all methods there are, with commas and a NUL */

struct auth_methods {
	const struct strlist *lists;		      /* "publickey,password" each; borrowed */
	unsigned char passed[AUTH_METHODS_LISTS_MAX]; /* methods of each list */
	int complete;
};

/* Lists beyond AUTH_METHODS_LISTS_MAX are ignored.  Without any list no
 * login succeeds. */
void auth_methods_init(struct auth_methods *m, const struct strlist *lists);

/* The method has been passed: 1 if that completes a list (now or before). */
int auth_methods_step(struct auth_methods *m, const char *method);

/* Has any method been passed?  1 or 0. */
int auth_methods_begun(const struct auth_methods *m);

/* Does a list of which a method has been passed have one with a device yet to be passed?  1 or 0. */
int auth_methods_device_to_come(const struct auth_methods *m);

/* What requests of the client for keyboard-interactive may be for, each once and in the order of the lists:
 * "keyboard-interactive" or one with a device.  Their number; the names are static. */
size_t auth_methods_conversations(const struct auth_methods *m,
    const char *out[AUTH_CONVERSATIONS_MAX]);

/* Which of these it is for: the first with a device of the name-list in the client's request, or else the first of
 * all.  NULL: there is none. */
const char *auth_conversation_choose(const char *const *methods, size_t n, const char *devices);

/* Both in one. */
const char *auth_methods_conversation(const struct auth_methods *m, const char *devices);

/* What may come next, as a name-list: the first method not passed of each list, without devices. */
void auth_methods_next(const struct auth_methods *m, char out[AUTH_METHODS_NEXT_SIZE]);

/* Add a name to a name-list of this size, unless it is there. */
void auth_methods_add(char *list, size_t size, const char *name);

/* Add the methods that can be relayed to an upstream and are in both name-lists. */
void auth_methods_add_relayed(char list[AUTH_METHODS_NEXT_SIZE], const char *a, const char *b);

#endif
