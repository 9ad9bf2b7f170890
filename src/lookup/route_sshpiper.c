/*
 * Routes from files of sshpiper's workingdir.  Called by the directory backend.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "lookup/plugin.h"

static int
route_sshpiper_quoted(struct route_text *t, const struct route_origin *origin, const char *key,
    const char *value, size_t len)
{
	char *text = strndup(value, len), *quoted = NULL;
	size_t i, n = 0;
	int r = ERR_NOMEM;

	if (text != NULL)
		quoted = malloc(2 * len + 1);
	for (i = 0; quoted != NULL && i < len; i++) {
		if (text[i] == '%')
			quoted[n++] = '%';
		quoted[n++] = text[i];
	}
	if (quoted != NULL) {
		quoted[n] = '\0';
		r = route_text_add(t, origin, key, quoted);
	}
	free(quoted);
	free(text);
	return r;
}

/* "[user@]host[:port]".  0, ERR_NOMEM or ERR_FORMAT. */
static int
route_sshpiper_split(struct route_text *t, const struct route_origin *origin, const char *text,
    size_t len)
{
	const char *at = memrchr(text, '@', len), *host = text, *port = NULL;
	size_t host_len;
	int r = 0;

	if (at != NULL) {
		r = route_sshpiper_quoted(t, origin, "User", text, (size_t)(at - text));
		host = at + 1;
	}
	host_len = len - (size_t)(host - text);
	if (host_len > 0 && host[0] == '[') {
		port = memchr(host, ']', host_len);
		if (port == NULL)
			return ERR_FORMAT;
		host++;
		len = host_len - (size_t)(port - host) - 2; /* behind the bracket */
		host_len = (size_t)(port - host);
		port = len == 0 ? NULL : port + 1;
		if (port != NULL && *port != ':')
			return ERR_FORMAT;
	} else {
		port = memchr(host, ':', host_len);
		if (port != NULL && memchr(port + 1, ':', host_len - (size_t)(port - host) - 1))
			port = NULL; /* a bare IPv6 address */
		len = port == NULL ? 0 : host_len - (size_t)(port - host);
		if (port != NULL)
			host_len = (size_t)(port - host);
	}
	if (host_len == 0)
		return ERR_FORMAT;
	if (r == 0)
		r = route_sshpiper_quoted(t, origin, "HostName", host, host_len);
	if (r == 0 && port != NULL)
		r = route_sshpiper_quoted(t, origin, "Port", port + 1, len - 1);
	return r;
}

int
route_sshpiper_upstream(struct route_text *t, const struct route_origin *origin,
    const struct buf *b, const char *name, struct reason *why)
{
	const char *text = (const char *)b->data, *end = text + b->len, *stop;
	size_t i, len;
	int r = ERR_FORMAT;

	for (; text < end; text = stop + 1) {
		stop = memchr(text, '\n', (size_t)(end - text));
		if (stop == NULL)
			stop = end;
		for (; text < stop && (*text == ' ' || *text == '\t'); text++)
			;
		for (len = (size_t)(stop - text); len > 0 && strchr(" \t\r", text[len - 1]); len--)
			;
		if (len == 0 || *text == '#')
			continue;
		for (i = 0; i < len; i++)
			if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
				goto bad;
		r = route_sshpiper_split(t, origin, text, len);
		if (r == ERR_FORMAT)
			goto bad;
		return r;
	}
bad:
	reason_set(why, "%.80s/sshpiper_upstream: is not [user@]host[:port]", name);
	return r;
}

void
route_sshpiper_totp(const char *login, char name[KEY_NAME_MAX + 1])
{
	static const char prefix[] = "sshpiper-";
	uint8_t hash[16];
	int n = snprintf(name, KEY_NAME_MAX + 1, "%s%s", prefix, login);

	if (n <= KEY_NAME_MAX && key_name_ok(name))
		return;
	(void)crypto_generichash(hash, sizeof(hash), (const uint8_t *)login, strlen(login), NULL,
	    0);
	memcpy(name, prefix, sizeof(prefix));
	(void)sodium_bin2hex(name + sizeof(prefix) - 1, KEY_NAME_MAX + 2 - sizeof(prefix), hash,
	    sizeof(hash));
}
