/*
 * The keywords that go together with Mode, and with a HostName that is a tunnel (route.c).
 */
#include <string.h>

#include "formats/tunnel_name.h"
#include "formats/tunnel_ports.h"
#include "lookup/route.h"
#include "lookup/route_types.h"

int
route_check_tunnel_ports(const char *value, struct reason *why)
{
	struct tunnel_ports ports;

	return tunnel_ports_parse(value, &ports, why);
}

/* An error for each of these keywords that the section has. */
static void
route_check_without(const struct conf_section *s, const char *const *words, const char *why,
    struct conf_errors *errors)
{
	const struct conf_entry *e;

	for (; *words != NULL; words++) {
		e = conf_entry_find(s, *words);
		if (e != NULL)
			conf_error(errors, e->file, e->line, "%s %s", *words, why);
	}
}

void
route_check_no_upstream(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors)
{
	static const char *const without[] = { "HostName", "Port", "User", "Key", "Password",
		"CertificateFile", "CertificateAuthority", "CertificatePrincipals",
		"CertificateSourceAddress", "Passthrough", "UserKnownHostsFile",
		"HostKeyFingerprint", "StrictHostKeyChecking", "ServerAliveInterval",
		"ForceCommand", "SftpReadOnly", "SendProxy", "ConnectVia", "ConnectViaPassword",
		"ConnectViaCA", "ResolveSRV", "ProxyJump", NULL };
	static const char *const of_others[] = { "AllowDestinations", NULL };

	if (r->mode == ROUTE_JUMP) {
		route_check_without(s, without,
		    "has no meaning with Mode = jump: the client names the machine, and logs in "
		    "there itself",
		    errors);
		if (!route_has(s, "AllowDestinations"))
			conf_error(errors, s->file, s->line,
			    "[route %.100s] needs AllowDestinations: the machines that its users "
			    "may name",
			    s->name);
	} else {
		route_check_without(s, without,
		    "has no meaning with Mode = tunnel: its users lead others to their machine "
		    "(ssh -R), and log in nowhere",
		    errors);
		route_check_without(s, of_others, "has no meaning with Mode = tunnel", errors);
	}
}

/* HostName = tunnel:NAME */
static void
route_check_host_is_tunnel(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors)
{
	static const char *const without[] = { "SendProxy", "ConnectVia", "ResolveSRV",
		"ResolveCache", "AllowDestinations", "ProxyJump", NULL };
	const struct conf_entry *e = conf_entry_find(s, "HostName");
	size_t i, n = 0;

	for (i = 0; i < r->hosts.n; i++)
		n += tunnel_name_of_host(r->hosts.v[i]) != NULL;
	if (n == 0)
		return;
	if (r->hosts.n > 1)
		conf_error(errors, e->file, e->line,
		    "HostName: a tunnel is the only host: write no other beside it");
	route_check_without(s, without,
	    "has no meaning with HostName = tunnel:NAME, which leads into an SSH connection",
	    errors);
	e = conf_entry_find(s, "StrictHostKeyChecking");
	if (e != NULL && r->strict == ROUTE_STRICT_ACCEPT_NEW)
		conf_error(errors, e->file, e->line,
		    "StrictHostKeyChecking = accept-new cannot look at a machine behind a tunnel: "
		    "write HostKeyFingerprint, as ssh-keygen -lf prints it there");
}

void
route_check_modes(const struct conf_section *s, const struct route *r, struct conf_errors *errors)
{
	static const char *const of_tunnel[] = { "TunnelNames", "TunnelPorts", NULL };

	if (r->mode != ROUTE_TUNNEL)
		route_check_without(s, of_tunnel, "needs Mode = tunnel", errors);
	if (r->mode == ROUTE_LOGIN || r->mode == ROUTE_HOP)
		route_check_host_is_tunnel(s, r, errors);
}
