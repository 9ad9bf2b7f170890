/*
 * lookup/login_pattern and conf/reader: the input is a regular expression, a NUL, and a login.  The header of its
 * section is read, a match ends, and what the groups have matched is part of the login.
 */
#include <string.h>

#include "base/names.h"
#include "conf/reader.h"
#include "fuzz.h"
#include "lookup/login_pattern.h"
#include "lookup/percent.h"

/* The section of this name is read with that name, or not at all, or with its beginning. */
static void
read_header(const char *name)
{
	struct conf_arena *arena = arena_new();
	struct conf_errors errors = { 0 };
	const struct conf_section *s;
	struct reader *reader;
	struct buf text;
	size_t n;

	buf_init(&text, 65536);
	buf_putf(&text, "[route %s] ; ]\nHostName = h\n", name);
	reader = reader_new(arena, CONF_ALL, &errors);
	CHECK(arena != NULL && reader != NULL && buf_err(&text) == 0);
	reader_text(reader, "fuzz.ini", (const char *)text.data, text.len);
	s = reader_sections(reader, &n);
	CHECK(n <= 1 || strchr(name, '\n') != NULL);
	if (n == 1 && strchr(name, '\n') == NULL)
		CHECK(strncmp(s->name, name, strlen(s->name)) == 0);
	reader_free(&reader);
	arena_free(&arena);
	conf_errors_free(&errors);
	buf_free(&text);
}

static void
match_login(const struct login_pattern *p, const char *login)
{
	struct wildcard_match m;
	struct reason why;
	unsigned int i;
	char *path;
	int r = login_pattern_find(p, login, &m, &why);

	CHECK(r == 0 || r == 1 || r == ERR_TOOBIG);
	if (r != 1)
		return;
	CHECK(m.n == login_pattern_captures(p) && m.n <= WILDCARD_CAPTURES);
	for (i = 0; i < m.n; i++) {
		const char value[] = { '%', (char)('1' + i), '\0' };

		CHECK(m.captures[i].text >= login &&
		    m.captures[i].text + m.captures[i].len <= login + strlen(login));
		if (percent_expand(value, &m, 1, &path) == 0) {
			CHECK(path[0] != '\0' && path[0] != '.' && strchr(path, '/') == NULL);
			free(path);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *end = memchr(data, '\0', len);
	struct login_pattern *p;
	struct reason why;
	char name[2048], login[LOGIN_MAX + 1];
	size_t n;

	if (end == NULL || end - data > 1500)
		return 0;
	snprintf(name, sizeof(name), "/%s/", (const char *)data);
	read_header(name);
	n = (size_t)(data + len - end - 1);
	if (!login_name_ok(end + 1, n))
		return 0;
	memcpy(login, end + 1, n);
	login[n] = '\0';
	if (login_pattern_new(name, &p, &why) != 0) {
		CHECK(why.text[0] != '\0');
		return 0;
	}
	match_login(p, login);
	login_pattern_free(&p);
	return 0;
}
