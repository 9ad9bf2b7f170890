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
imitate_carry(struct ksession *s)
{
	const struct keeper *k = s->keeper;
	char methods[AUTH_METHODS_NEXT_SIZE];
	struct bytes message;

	s->at_least_us = s->imitated ? 0 : decoy_draw(k, DECOY_CONNECT);
	s->imitated = 1;
	offers(decoy_shape(k, auth_server_login(s->server), s->by_key == LOOKUP_WANTS_KEY)->methods,
	    k->unknown.behind, methods);
	if (strcmp(methods, "") != 0 && strcmp(methods, "publickey") != 0) {
		if (auth_server_set_methods(s->server, methods) != 0) {
			ksession_end(s);
			return;
		}
		if (!namelist_has(methods, auth_server_method(s->server))) {
			downstream_declined(s);
			return;
		}
	}
	if (auth_server_carried(s->server, &message) == AUTH_SERVER_CONVERSATION) {
		s->at_least_us += decoy_draw(k, DECOY_QUESTION);
		downstream_ask_password(s);
	} else {
		s->at_least_us += decoy_draw(k, DECOY_REFUSAL);
		downstream_failed(s);
	}
}
