/*
 * The keywords of a route with Mode = jump that go together (route.c).
 */
#include <string.h>

#include "lookup/route.h"
#include "lookup/route_types.h"

/* Mode = jump: the client names the machine and logs in there itself. */
void
route_check_jump(const struct conf_section *s, const struct route *r, struct conf_errors *errors)
{
	static const char *const without[] = { "HostName", "Port", "User", "Key", "Password",
		"CertificateFile", "Passthrough", "UserKnownHostsFile", "HostKeyFingerprint",
		"StrictHostKeyChecking", "ServerAliveInterval", "ForceCommand", "SendProxy",
		"ConnectVia", "ConnectViaPassword", "ResolveSRV", NULL };
	const struct conf_entry *e;
	size_t i;

	for (i = 0; without[i] != NULL; i++) {
		e = conf_entry_find(s, without[i]);
		if (e != NULL)
			conf_error(errors, e->file, e->line,
			    "%s has no meaning with Mode = jump: the client names the machine, and "
			    "logs in there itself",
			    without[i]);
	}
	if (!route_has(s, "AllowDestinations"))
		conf_error(errors, s->file, s->line,
		    "[route %.100s] needs AllowDestinations: the machines that its users may name",
		    s->name);
}
