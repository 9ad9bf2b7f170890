/*
 * The options in front of a key in authorized_keys: parsing them, and checking them for one
 * login.  Called by authorized_keys.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "formats/authorized_options.h"

#define OPTION_NAME_MAX 64
#define HOST_MAX 1024 /* bytes of a host in permitopen= and permitlisten=, with brackets */

#define ENVIRONMENT_MAX 1025

struct parser {
	char *next; /* the rest of the options */
	const struct authorized_request *request;
	struct authorized_options *options;
	time_t expiry; /* the earliest of several; 0: none */
	int has_from;
	struct reason *why;
};

static int authorized_refuse(struct parser *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

/* Set why the line may not be used.  Always 0. */
static int
authorized_refuse(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reason_vset(p->why, fmt, ap);
	va_end(ap);
	return 0;
}

/* --- options with a value; each function returns 1, or 0 with the reason set --- */

static int
authorized_option_command(struct parser *p, const char *value)
{
	if (p->options->command != NULL)
		return authorized_refuse(p, "command= is given twice");
	p->options->command = strdup(value);
	if (p->options->command == NULL)
		return authorized_refuse(p, "%s", err_str(ERR_NOMEM));
	return 1;
}

static int
authorized_option_environment(struct parser *p, const char *value)
{
	const char *equals = strchr(value, '=');
	const char *c;

	if (equals == NULL || equals == value)
		return authorized_refuse(p, "bad environment=");
	for (c = value; c < equals; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			(*c >= '0' && *c <= '9') || *c == '_'))
			return authorized_refuse(p, "bad environment=");
	if (p->options->environment.n == ENVIRONMENT_MAX)
		return authorized_refuse(p, "too many environment=");
	if (strlist_add(&p->options->environment, value, strlen(value)) != 0)
		return authorized_refuse(p, "%s", err_str(ERR_NOMEM));
	return 1;
}

static int
authorized_option_expiry(struct parser *p, const char *value)
{
	time_t when;

	if (authorized_time_parse(value, &when) != 0)
		return authorized_refuse(p, "bad expiry-time=");
	if (p->expiry == 0 || when < p->expiry)
		p->expiry = when;
	if (p->request->now > p->expiry)
		return authorized_refuse(p, "expired");
	return 1;
}

static int
authorized_option_from(struct parser *p, const char *value)
{
	if (p->has_from)
		return authorized_refuse(p, "from= is given twice");
	p->has_from = 1;
	if (address_match(p->request->address, value) != 1)
		return authorized_refuse(p, "from= does not match");
	return 1;
}

/* Parse a authorized_number the way strtonum(3) does, with blanks and a sign before it; -1 if it
 * is not one. */
static long long
authorized_number(const char *text, long long max)
{
	char *end;
	long long n = strtoll(text, &end, 10);

	return end == text || *end != '\0' || n < 0 || n > max ? -1 : n;
}

/* Add "host:port" for "host:port" or "host/port", with or without brackets around the host, which
 * may be empty.  1, or 0 with the reason set. */
static int
authorized_add_permit(struct parser *p, struct strlist *list, const char *option, const char *value)
{
	size_t len = value[0] == '[' ? strcspn(value, "]") + 1 : strcspn(value, ":/");
	char entry[HOST_MAX + sizeof(":65535")];
	const char *port;
	long long n = 0;

	if (len > HOST_MAX || len >= strlen(value) || strchr(":/", value[len]) == NULL)
		return authorized_refuse(p, "bad %s=", option);
	port = value + len + 1;
	if (strcmp(port, "*") != 0)
		n = authorized_number(port, 65535);
	if (n == -1 || (n == 0 && *port != '*'))
		return authorized_refuse(p, "bad %s=", option);
	if (n == 0)
		snprintf(entry, sizeof(entry), "%.*s:*", (int)len, value);
	else
		snprintf(entry, sizeof(entry), "%.*s:%lld", (int)len, value, n);
	if (strlist_add(list, entry, strlen(entry)) != 0)
		return authorized_refuse(p, "%s", err_str(ERR_NOMEM));
	return 1;
}

static int
authorized_option_permitopen(struct parser *p, const char *value)
{
	return authorized_add_permit(p, &p->options->permit_open, "permitopen", value);
}

static int
authorized_option_permitlisten(struct parser *p, const char *value)
{
	char any[16];

	if (strchr(value, ':') == NULL) {
		if (strlen(value) >= sizeof(any) - 2)
			return authorized_refuse(p, "bad permitlisten=");
		snprintf(any, sizeof(any), "*:%s", value);
		value = any;
	}
	return authorized_add_permit(p, &p->options->permit_listen, "permitlisten", value);
}

/* Names are kept as written; as in sshd an empty one ends the list. */
static int
authorized_option_principals(struct parser *p, const char *value)
{
	size_t len;

	if (p->options->has_principals)
		return authorized_refuse(p, "principals= is given twice");
	p->options->has_principals = 1;
	while ((len = strcspn(value, ",")) > 0) {
		if (strlist_add(&p->options->principals, value, len) != 0)
			return authorized_refuse(p, "%s", err_str(ERR_NOMEM));
		value += len + (value[len] == ',');
	}
	return p->options->principals.n > 0 ? 1 : authorized_refuse(p, "bad principals=");
}

/* The last one counts. */
static int
authorized_option_tunnel(struct parser *p, const char *value)
{
	long long unit = AUTHORIZED_TUNNEL_ANY;

	if (strcasecmp(value, "any") != 0)
		unit = authorized_number(value, AUTHORIZED_TUNNEL_MAX);
	if (unit == -1)
		return authorized_refuse(p, "bad tunnel=");
	p->options->has_tunnel = 1;
	p->options->tunnel = (uint32_t)unit;
	return 1;
}

static const struct option_value {
	const char *name;
	int (*set)(struct parser *, const char *);
} option_values[] = {
	{ "command", authorized_option_command },
	{ "environment", authorized_option_environment },
	{ "expiry-time", authorized_option_expiry },
	{ "from", authorized_option_from },
	{ "permitlisten", authorized_option_permitlisten },
	{ "permitopen", authorized_option_permitopen },
	{ "principals", authorized_option_principals },
	{ "tunnel", authorized_option_tunnel },
};

/* --- options without a value, some with "no-" in front --- */
static const struct option_flag {
	const char *name;
	unsigned int clear, set;
} option_flags[] = {
	{ "restrict", AUTHORIZED_ALL, 0 },
	{ "pty", 0, AUTHORIZED_PTY },
	{ "no-pty", AUTHORIZED_PTY, 0 },
	{ "port-forwarding", 0, AUTHORIZED_PORT_FORWARDING },
	{ "no-port-forwarding", AUTHORIZED_PORT_FORWARDING, 0 },
	{ "agent-forwarding", 0, AUTHORIZED_AGENT_FORWARDING },
	{ "no-agent-forwarding", AUTHORIZED_AGENT_FORWARDING, 0 },
	{ "x11-forwarding", 0, AUTHORIZED_X11_FORWARDING },
	{ "no-x11-forwarding", AUTHORIZED_X11_FORWARDING, 0 },
	{ "user-rc", 0, AUTHORIZED_USER_RC },
	{ "no-user-rc", AUTHORIZED_USER_RC, 0 },
};

static int
authorized_handle_flag(struct parser *p, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(option_flags) / sizeof(option_flags[0]); i++) {
		if (strcasecmp(name, option_flags[i].name) != 0)
			continue;
		p->options->permits &= ~option_flags[i].clear;
		p->options->permits |= option_flags[i].set;
		return 1;
	}
	if (strcasecmp(name, "cert-authority") == 0)
		p->options->cert_authority = 1;
	else if (strcasecmp(name, "touch-required") == 0)
		p->options->no_touch_required = 0;
	else if (strcasecmp(name, "no-touch-required") == 0)
		p->options->no_touch_required = 1;
	else if (strcasecmp(name, "verify-required") == 0)
		p->options->verify_required = 1;
	else if (strcasecmp(name, "no-verify-required") == 0)
		p->options->verify_required = 0;
	else
		return authorized_refuse(p, "unknown option %s", name);
	return 1;
}

static int
authorized_handle_value(struct parser *p, const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < sizeof(option_values) / sizeof(option_values[0]); i++)
		if (strcasecmp(name, option_values[i].name) == 0)
			return option_values[i].set(p, value);
	return authorized_refuse(p, "unknown option %s=", name);
}

/* Take the name of an option off the front; 0 if there is none. */
static int
authorized_take_name(struct parser *p, char name[OPTION_NAME_MAX])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	size_t n = strspn(p->next, letters);

	if (n == 0 || n >= OPTION_NAME_MAX)
		return authorized_refuse(p, "bad options");
	memcpy(name, p->next, n);
	name[n] = '\0';
	p->next += n;
	return 1;
}

/* Take a value between quotes off the front, in place; \" stands for a quote.  NULL if it is not
 * well-formed. */
static char *
authorized_take_value(struct parser *p)
{
	char *from = p->next, *value, *to;

	if (*from++ != '"')
		return NULL;
	value = to = from;
	while (*from != '"') {
		if (*from == '\0')
			return NULL;
		if (from[0] == '\\' && from[1] == '"')
			from++;
		*to++ = *from++;
	}
	p->next = from + 1;
	*to = '\0';
	return value;
}

static int
authorized_handle_option(struct parser *p)
{
	char name[OPTION_NAME_MAX];
	const char *value;

	if (!authorized_take_name(p, name))
		return 0;
	if (*p->next != '=')
		return authorized_handle_flag(p, name);
	p->next++;
	value = authorized_take_value(p);
	if (value == NULL)
		return authorized_refuse(p, "%s= wants a value in quotes", name);
	return authorized_handle_value(p, name, value);
}

/* Checks that need all options of the line. */
static int
authorized_check_together(struct parser *p)
{
	if (p->request->cert == NULL && p->options->cert_authority)
		return authorized_refuse(p, "the key is there as cert-authority");
	if (p->request->cert != NULL && !p->options->cert_authority)
		return authorized_refuse(p, "the CA is there without cert-authority");
	if (p->options->has_principals && !p->options->cert_authority)
		return authorized_refuse(p, "principals= without cert-authority");
	return 1;
}

int
authorized_options_parse(struct bytes text, const struct authorized_request *request,
    struct authorized_options *options, struct reason *why)
{
	struct parser p = { .request = request, .options = options, .why = why };
	char *copy;
	int ok = 1;

	options->permits = AUTHORIZED_ALL;
	if (text.len == 0)
		return authorized_check_together(&p);
	copy = memchr(text.p, '\0', text.len) != NULL ? NULL :
							strndup((const char *)text.p, text.len);
	if (copy == NULL)
		return authorized_refuse(&p, "bad options");
	p.next = copy;
	while (ok && *p.next != '\0') {
		if (*p.next == ',') { /* as in sshd, the list may end with a comma */
			p.next++;
			continue;
		}
		ok = authorized_handle_option(&p);
		if (ok && *p.next != '\0' && *p.next != ',')
			ok = authorized_refuse(&p, "bad options");
	}
	free(copy);
	return ok && authorized_check_together(&p);
}

/* Copy a list, unless there is one already.  0 or ERR_NOMEM. */
static int
authorized_merge_list(struct strlist *list, const struct strlist *other)
{
	size_t i;
	int r = 0;

	if (list->n > 0)
		return 0;
	for (i = 0; r == 0 && i < other->n; i++)
		r = strlist_add(list, other->v[i], strlen(other->v[i]));
	return r;
}

int
authorized_options_merge(struct authorized_options *options,
    const struct authorized_options *others, struct reason *why)
{
	int r = 0;

	if (options->command != NULL && others->command != NULL &&
	    strcmp(options->command, others->command) != 0) {
		reason_set(why, "two different commands are forced");
		return 0;
	}
	if (options->command == NULL && others->command != NULL) {
		options->command = strdup(others->command);
		r = options->command == NULL ? ERR_NOMEM : 0;
	}
	if (r == 0)
		r = authorized_merge_list(&options->environment, &others->environment);
	if (r == 0)
		r = authorized_merge_list(&options->permit_open, &others->permit_open);
	if (r == 0)
		r = authorized_merge_list(&options->permit_listen, &others->permit_listen);
	if (r != 0) {
		reason_set(why, "%s", err_str(r));
		return 0;
	}
	if (!options->has_tunnel) {
		options->has_tunnel = others->has_tunnel;
		options->tunnel = others->tunnel;
	}
	options->permits &= others->permits;
	options->no_touch_required &= others->no_touch_required;
	options->verify_required |= others->verify_required;
	return 1;
}

void
authorized_options_free(struct authorized_options *options)
{
	free(options->command);
	strlist_free(&options->principals);
	strlist_free(&options->environment);
	strlist_free(&options->permit_open);
	strlist_free(&options->permit_listen);
	*options = (struct authorized_options){ 0 };
}

int
authorized_time_parse(const char *text, time_t *when)
{
	size_t len = strlen(text);
	struct tm tm = { 0 }; /* tm_isdst is 0: sshd reads standard time */
	char split[32];
	const char *end;
	int utc = 0;

	*when = 0;
	if (len > 1 && strcasecmp(text + len - 1, "Z") == 0) {
		utc = 1;
		len--;
	} else if (len > 3 && strcasecmp(text + len - 3, "UTC") == 0) {
		utc = 1;
		len -= 3;
	}
	if (len != 8 && len != 12 && len != 14)
		return ERR_FORMAT;
	/* strptime() needs separators between the numbers */
	snprintf(split, sizeof(split), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s", text, text + 4, text + 6,
	    len > 8 ? text + 8 : "00", len > 8 ? text + 10 : "00", len > 12 ? text + 12 : "00");
	end = strptime(split, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end == NULL || *end != '\0')
		return ERR_FORMAT;
	*when = utc ? timegm(&tm) : mktime(&tm);
	if (*when > 0)
		return 0;
	*when = 0;
	return ERR_FORMAT;
}
