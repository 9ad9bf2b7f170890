/*
 * How a line of the configuration looks (line.h), for reader.c.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "conf/line.h"

int
line_header_ends(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p == end || *p == ';' || *p == '#';
}

const char *
line_header_close(const char *text, size_t len)
{
	const char *end = text + len, *p = text + 1, *close = memchr(text, ']', len);
	int slashed = 0;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (end - p < 5 || strncasecmp(p, "route", 5) != 0)
		return close;
	for (p += 5; p < end && (*p == ' ' || *p == '\t'); p++)
		;
	if (p == end || *p != '/')
		return close;
	for (p++; p < end; p++) {
		if (*p == '/')
			slashed = 1;
		if (*p == ']' && line_header_ends(p + 1, end)) {
			close = p;
			if (slashed)
				break;
		}
	}
	return close;
}

int
line_has_quoted_comment(const char *text, size_t len)
{
	int quoted = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (quoted && text[i] == '\\' && i + 1 < len)
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (text[i] == ';' && i > 0 && (text[i - 1] == ' ' || text[i - 1] == '\t')) {
			if (quoted)
				return 1;
			break;
		}
	}
	return 0;
}

int
line_is_of_sshd_config(const char *text, const char *end)
{
	while (text < end && isalnum((unsigned char)*text))
		text++;
	if (text == end || (*text != ' ' && *text != '\t'))
		return 0;
	while (text < end && (*text == ' ' || *text == '\t'))
		text++;
	if (text == end || *text == ';')
		return 0;
	while (text < end && *text != ' ' && *text != '\t')
		text++;
	while (text < end && (*text == ' ' || *text == '\t'))
		text++;
	return text == end || *text == ';';
}
