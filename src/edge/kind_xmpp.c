/*
 * The header of an XMPP stream (RFC 6120 section 4.7), maybe behind an XML declaration, with the host of its
 * to=''.
 */
#include <string.h>

#include "edge/kind_private.h"
#include "formats/text.h"

static int
xmpp_is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
xmpp_skip(struct bytes *s, size_t len)
{
	s->p += len;
	s->len -= len;
}

static void
xmpp_skip_spaces(struct bytes *s)
{
	while (s->len > 0 && xmpp_is_space(s->p[0]))
		xmpp_skip(s, 1);
}

/* Skip an XML declaration, if there is one.  0, ERR_AGAIN or ERR_NOTFOUND. */
static int
xmpp_declaration(struct bytes *s)
{
	const uint8_t *end;
	int r = kind_begins(s->p, s->len, "<?xml");

	if (r != 0)
		return r == ERR_NOTFOUND ? 0 : r;
	end = memchr(s->p, '>', s->len);
	if (end == NULL)
		return ERR_AGAIN;
	if (end[-1] != '?')
		return ERR_NOTFOUND;
	xmpp_skip(s, (size_t)(end + 1 - s->p));
	xmpp_skip_spaces(s);
	return 0;
}

/* The next attribute, name='value' or with the other quotes: 0; ERR_AGAIN; or ERR_NOTFOUND: there is none. */
static int
xmpp_attribute(struct bytes *s, struct bytes *name, struct bytes *value)
{
	const uint8_t *end;
	size_t i;

	xmpp_skip_spaces(s);
	for (i = 0; i < s->len && !xmpp_is_space(s->p[i]) && s->p[i] != '='; i++)
		if (s->p[i] <= ' ' || s->p[i] > '~' || strchr("<>'\"", s->p[i]) != NULL)
			return ERR_NOTFOUND;
	*name = (struct bytes){ s->p, i };
	xmpp_skip(s, i);
	xmpp_skip_spaces(s);
	if (s->len == 0)
		return ERR_AGAIN;
	if (s->p[0] != '=' || name->len == 0)
		return ERR_NOTFOUND;
	xmpp_skip(s, 1);
	xmpp_skip_spaces(s);
	if (s->len == 0)
		return ERR_AGAIN;
	if (s->p[0] != '\'' && s->p[0] != '"')
		return ERR_NOTFOUND;
	end = memchr(s->p + 1, s->p[0], s->len - 1);
	if (end == NULL)
		return ERR_AGAIN;
	*value = (struct bytes){ s->p + 1, (size_t)(end - s->p) - 1 };
	xmpp_skip(s, value->len + 2);
	return 0;
}

int
kind_xmpp(const uint8_t *p, size_t n, struct kind *k)
{
	static const char tag[] = "<stream:stream";
	struct bytes s = { p, n }, name, value;
	int r = xmpp_declaration(&s);

	if (r != 0)
		return r;
	if (s.len == 0)
		return ERR_AGAIN;
	r = kind_begins(s.p, s.len, tag);
	if (r != 0)
		return r;
	xmpp_skip(&s, sizeof(tag) - 1);
	if (s.len == 0)
		return ERR_AGAIN;
	if (!xmpp_is_space(s.p[0]) && s.p[0] != '>')
		return ERR_NOTFOUND;
	while ((r = xmpp_attribute(&s, &name, &value)) == 0)
		if (name.len == 2 && memcmp(name.p, "to", 2) == 0) {
			(void)kind_set_host(k, value);
			break;
		}
	if (r == ERR_AGAIN)
		return r;
	/* without an address: the end of the header has to be there */
	if (r != 0 && s.p[0] != '>')
		return ERR_NOTFOUND;
	k->kind = IPC_KIND_XMPP;
	return 0;
}
