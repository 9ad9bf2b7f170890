/*
 * The critical options and extensions of certificates.  Called by access/user_key.c and host_key.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/cert.h"

/* Sorted by name. */
const struct cert_extension cert_extensions[CERT_EXTENSIONS] = {
	{ "permit-X11-forwarding", AUTHORIZED_X11_FORWARDING },
	{ "permit-agent-forwarding", AUTHORIZED_AGENT_FORWARDING },
	{ "permit-port-forwarding", AUTHORIZED_PORT_FORWARDING },
	{ "permit-pty", AUTHORIZED_PTY },
	{ "permit-user-rc", AUTHORIZED_USER_RC },
};

/* The value of an option as text; NULL: it is malformed, or out of memory. */
static char *
value_text(struct bytes value)
{
	struct bytes text;
	struct wire w;

	wire_init(&w, value.p, value.len);
	text = wire_string(&w);
	if (wire_end(&w) != 0 || (text.len > 0 && memchr(text.p, '\0', text.len) != NULL))
		return NULL;
	return strndup(text.len > 0 ? (const char *)text.p : "", text.len);
}

static const char *
set_command(struct authorized_options *options, struct bytes value)
{
	if (options->command != NULL)
		return "has force-command twice";
	options->command = value_text(value);
	return options->command == NULL ? "has a malformed force-command" : NULL;
}

static const char *
check_source(const char *address, struct bytes value, int *seen)
{
	char *list = value_text(value);
	int match = list == NULL ? -1 : address_match_blocks(address, list);

	free(list);
	if ((*seen)++)
		return "has source-address twice";
	if (match == -1)
		return "has a malformed source-address";
	return match == 0 ? "is not for this address (source-address)" : NULL;
}

/* Set why an option is refused. */
static const char *
take_critical(const struct cert *c, const char *address, struct authorized_options *options,
    char unknown[128])
{
	struct bytes name, value;
	const char *wrong = NULL;
	struct wire w;
	int sources = 0;

	wire_init(&w, c->critical.p, c->critical.len);
	while (wrong == NULL && w.left > 0 && wire_err(&w) == 0) {
		name = wire_string(&w);
		value = wire_string(&w);
		if (bytes_is(name, "force-command")) {
			wrong = set_command(options, value);
		} else if (bytes_is(name, "source-address")) {
			wrong = check_source(address, value, &sources);
		} else if (bytes_is(name, "verify-required") && value.len == 0) {
			options->verify_required = 1;
		} else {
			snprintf(unknown, 128, "has a critical option that is not supported: %.*s",
			    (int)(name.len > 64 ? 64 : name.len),
			    name.len == 0 ? "" : (const char *)name.p);
			wrong = unknown;
		}
	}
	return wrong;
}

/* As in sshd, unknown extensions are ignored, and one with a value where none belongs is an
 * error. */
static const char *
take_extensions(const struct cert *c, struct authorized_options *options)
{
	struct bytes name, value;
	struct wire w;
	size_t i;
	int known;

	wire_init(&w, c->extensions.p, c->extensions.len);
	while (w.left > 0 && wire_err(&w) == 0) {
		name = wire_string(&w);
		value = wire_string(&w);
		known = bytes_is(name, "no-touch-required");
		options->no_touch_required |= known;
		for (i = 0; i < CERT_EXTENSIONS; i++) {
			if (!bytes_is(name, cert_extensions[i].name))
				continue;
			known = 1;
			options->permits |= cert_extensions[i].permits;
		}
		if (known && value.len > 0)
			return "has a malformed extension";
	}
	return NULL;
}

int
cert_options(const struct cert *c, const char *address, struct authorized_options *options,
    struct reason *why)
{
	const char *wrong;
	char unknown[128];

	*options = (struct authorized_options){ 0 };
	wrong = take_critical(c, address, options, unknown);
	if (wrong == NULL)
		wrong = take_extensions(c, options);
	if (wrong == NULL)
		return 1;
	reason_set(why, "the certificate %s", wrong);
	authorized_options_free(options);
	return 0;
}
