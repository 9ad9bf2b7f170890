/*
 * The names of login methods (RFC 4252, RFC 4256), and the table of what the gateway does with
 * each.  A new method begins with a row here; what a route needs for it is in lookup/route.c
 * (route_has_method), its requests are parsed in auth/auth_request.c, and keeper/downstream.c gives
 * what the gateway has to verify to downstream_verify.c.
 */
#ifndef WIRE_METHODS_H
#define WIRE_METHODS_H

#define METHOD_NONE "none"
#define METHOD_PUBLICKEY "publickey"
#define METHOD_HOSTBOUND "publickey-hostbound-v00@openssh.com" /* another form of publickey */
#define METHOD_PASSWORD "password"
#define METHOD_KBDINT "keyboard-interactive"
/* As in sshd, a device of keyboard-interactive: another method in AuthenticationMethods, and the same one
 * between client and gateway. */
#define METHOD_TOTP "keyboard-interactive:totp"
#define METHOD_FACTOR "keyboard-interactive:factor"
#define METHOD_HOSTBASED "hostbased"
#define METHOD_GSSAPI "gssapi-with-mic"

enum method_flag {
	METHOD_ROUTE = 1 << 0,	 /* may stand in AuthenticationMethods: the gateway can check it */
	METHOD_RELAYED = 1 << 1, /* with Passthrough it is relayed to the upstream */
	/* it holds for a route that names it, in a list of its own, and for no other */
	METHOD_ASKED_FOR = 1 << 2,
	/* a device of keyboard-interactive: a factor that comes with another method (keeper/downstream_factor.h) */
	METHOD_DEVICE = 1 << 3,
};

struct login_method {
	const char *name;
	unsigned int flags;
};

/* All methods that a client or an upstream may name, or AuthenticationMethods; the last row has the name
 * NULL. */
extern const struct login_method login_methods[];

#endif
