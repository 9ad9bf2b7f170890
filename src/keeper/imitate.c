#include <string.h>

#include "keeper/downstream.h"
#include "keeper/imitate.h"

/* What is left of the offers once a machine has said its own. */
static void
offers(const char *methods, const char *behind, char out[AUTH_METHODS_NEXT_SIZE])
{
	out[0] = '\0';
	if (namelist_has(methods, "publickey"))
		auth_methods_add(out, AUTH_METHODS_NEXT_SIZE, "publickey");
	auth_methods_add_carried(out, methods, behind);
}

void
imitate_carry(struct ward *w)
{
	const struct keeper *k = w->keeper;
	char methods[AUTH_METHODS_NEXT_SIZE];
	struct bytes message;

	w->at_least_us = w->imitated ? 0 : unknown_draw(k, UNKNOWN_CONNECT);
	w->imitated = 1;
	offers(unknown_shape(k, auth_server_login(w->server), w->by_key == LOOKUP_WANTS_KEY)
		   ->methods,
	    k->unknown.behind, methods);
	if (strcmp(methods, "") != 0 && strcmp(methods, "publickey") != 0) {
		if (auth_server_set_methods(w->server, methods) != 0) {
			ward_end(w);
			return;
		}
		if (!namelist_has(methods, auth_server_method(w->server))) {
			downstream_declined(w);
			return;
		}
	}
	if (auth_server_carried(w->server, &message) == AUTH_SERVER_CONVERSATION) {
		w->at_least_us += unknown_draw(k, UNKNOWN_QUESTION);
		downstream_ask_password(w);
	} else {
		w->at_least_us += unknown_draw(k, UNKNOWN_REFUSAL);
		downstream_failed(w);
	}
}
