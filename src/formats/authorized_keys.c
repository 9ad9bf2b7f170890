/*
 * Finding a key, or a certificate's CA, in the text of an authorized_keys file.  Called by
 * access/user_key.c and access/key_list_cache.c.
 */
#include <stdio.h>
#include <string.h>

#include "formats/authorized_keys.h"
#include "formats/authorized_options.h"
#include "formats/cert.h"
#include "formats/key_index.h"
#include "formats/pubkey.h"
#include "formats/text.h"

/* Take the options off the front of a line: up to the first blank outside of quotes.  0 if a
 * quote is not closed. */
static int
authorized_take_options(struct bytes *s, struct bytes *options)
{
	int quoted = 0;
	size_t i;

	for (i = 0; i < s->len && (quoted || !text_is_blank(s->p[i])); i++) {
		if (s->p[i] == '\\' && i + 1 < s->len && s->p[i + 1] == '"')
			i++;
		else if (s->p[i] == '"')
			quoted = !quoted;
	}
	*options = (struct bytes){ s->p, i };
	s->p += i;
	s->len -= i;
	return !quoted;
}

/* Take the key of a line; the options are the text before it. */
static int
authorized_line_key(struct bytes line, struct buf *key, struct bytes *options)
{
	*options = (struct bytes){ line.p, 0 };
	buf_reset(key);
	if (pubkey_parse((const char *)line.p, line.len, key) != 0) {
		if (!authorized_take_options(&line, options))
			return 0;
		buf_reset(key);
		if (pubkey_parse((const char *)line.p, line.len, key) != 0)
			return 0;
	}
	return 1;
}

/* Parse a line of the file.  1; 0 if it has no key. */
static int
authorized_take_key(struct bytes line, struct buf *key, struct bytes *options)
{
	text_skip_blanks(&line);
	return line.len > 0 && line.len <= AUTHORIZED_LINE_MAX && line.p[0] != '#' &&
	    authorized_line_key(line, key, options);
}

int
authorized_keys_line_key(struct bytes line, struct buf *key)
{
	struct bytes options;

	return authorized_take_key(line, key, &options);
}

int
authorized_keys_line(struct bytes line)
{
	struct buf key;
	int found;

	buf_init(&key, AUTHORIZED_LINE_MAX);
	found = authorized_keys_line_key(line, &key);
	buf_free(&key);
	return found;
}

/* 1 if the certificate of the request, signed by this line's CA, may log in. */
static int
authorized_cert_holds(const struct authorized_request *request, struct authorized_options *options,
    struct reason *why)
{
	struct authorized_options own;
	size_t i;
	int ok = 0;

	/* a certificate without principals is refused; older versions of sshd took it for
	 * anybody's */
	if (!options->has_principals)
		ok = cert_has_principal(request->cert, request->login);
	for (i = 0; !ok && i < options->principals.n; i++)
		ok = cert_has_principal(request->cert, options->principals.v[i]);
	if (!ok) {
		reason_set(why, "%s a principal of the certificate",
		    options->has_principals ? "none of principals= is" : "the login is not");
		return 0;
	}
	if (!cert_options(request->cert, request->address, &own, why))
		return 0;
	ok = authorized_options_merge(options, &own, why);
	authorized_options_free(&own);
	return ok;
}

struct bytes
authorized_keys_wanted(const struct authorized_request *request)
{
	return request->cert != NULL ? request->cert->ca : request->blob;
}

/* 1 if this line allows the request.  key is scratch space.  why keeps the first of several
 * reasons. */
static int
authorized_line_allows(struct bytes line, unsigned int number,
    const struct authorized_request *request, struct buf *key, struct authorized_options *options,
    struct reason *why)
{
	struct reason reason;
	struct bytes words;
	int found;

	if (!authorized_take_key(line, key, &words) ||
	    !bytes_equal(buf_bytes(key), authorized_keys_wanted(request)))
		return 0;
	options->line = number;
	found = authorized_options_parse(words, request, options, &reason);
	if (found && request->cert != NULL)
		found = authorized_cert_holds(request, options, &reason);
	if (found) {
		why->text[0] = '\0';
		return 1;
	}
	authorized_options_free(options);
	if (why->text[0] == '\0')
		reason_set(why, "line %u: %s", number, reason.text);
	return 0;
}

int
authorized_keys_find(const char *text, size_t len, const struct authorized_request *request,
    struct authorized_options *options, struct reason *why)
{
	struct bytes rest = { (const uint8_t *)text, len }, line;
	unsigned int number = 0;
	struct buf key;
	int found = 0;

	why->text[0] = '\0';
	*options = (struct authorized_options){ 0 };
	buf_init(&key, AUTHORIZED_LINE_MAX);
	while (!found && text_line(&rest, &line))
		found = authorized_line_allows(line, ++number, request, &key, options, why);
	buf_free(&key);
	return found;
}

int
authorized_keys_find_indexed(const struct key_index *index, key_index_read *read, void *ctx,
    const struct authorized_request *request, struct authorized_options *options,
    struct reason *why)
{
	const struct key_line *lines;
	struct bytes line;
	struct buf key;
	size_t i, n;
	int r = 0;

	why->text[0] = '\0';
	*options = (struct authorized_options){ 0 };
	n = key_index_find(index, authorized_keys_wanted(request), &lines);
	buf_init(&key, AUTHORIZED_LINE_MAX);
	for (i = 0; r == 0 && i < n; i++) {
		r = read(ctx, &lines[i], &line);
		if (r == 0)
			r = authorized_line_allows(line, lines[i].number, request, &key, options,
			    why);
	}
	buf_free(&key);
	return r;
}
