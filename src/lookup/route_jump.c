/*
 * The keywords of a route with Mode = jump that go together (route.c).
 */
#include <string.h>

#include "lookup/route.h"
#include "lookup/route_types.h"

/* Bytes of AllowDestinations: the list goes with each order to dial. */
#define ROUTE_DESTINATIONS_MAX (32 * 1024)

/* Mode = jump: the client names the machine and logs in there itself. */
void
route_check_jump(const struct conf_section *s, const struct route *r, struct conf_errors *errors)
{
	static const char *const without[] = { "HostName", "Port", "User", "Key", "Password",
		"CertificateFile", "Passthrough", "UserKnownHostsFile", "HostKeyFingerprint",
		"StrictHostKeyChecking", "ServerAliveInterval", "ForceCommand", "SendProxy",
		"ConnectVia", "ConnectViaPassword", NULL };
	const struct conf_entry *e;
	size_t i, size = 0;

	for (i = 0; without[i] != NULL; i++) {
		e = conf_entry_find(s, without[i]);
		if (e != NULL)
			conf_error(errors, e->file, e->line,
			    "%s has no meaning with Mode = jump: the client names the machine, and "
			    "logs in there itself",
			    without[i]);
	}
	e = conf_entry_find(s, "AllowDestinations");
	if (e == NULL)
		conf_error(errors, s->file, s->line,
		    "[route %.100s] needs AllowDestinations: the machines that its users may name",
		    s->name);
	for (i = 0; i < r->destinations.n; i++)
		size += strlen(r->destinations.v[i]) + 4;
	if (e != NULL && (size > ROUTE_DESTINATIONS_MAX || r->destinations.n > 1024))
		conf_error(errors, e->file, e->line,
		    "AllowDestinations: more than 1024 entries, or more than %d KiB: write "
		    "patterns and networks",
		    ROUTE_DESTINATIONS_MAX / 1024);
}
