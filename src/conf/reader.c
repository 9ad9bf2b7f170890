/*
 * Reading the text of a configuration file.  Called by conf.c for files, by sections.c for the text of a
 * reload, and by lookup/route_text.c for single routes.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/access_hint.h"
#include "base/fd.h"
#include "conf/elsewhere.h"
#include "conf/keyword.h"
#include "conf/line.h"
#include "conf/reader.h"

/*
 * inih does no more than split lines into key and value, and has room for 198 bytes of a line: longer
 * ones are split here.  Every line is checked first, because inih cuts those with a NUL, keeps only 49
 * bytes of a section's name, does not report sections without entries, joins indented lines to the line
 * before, and reports one error for each file.
 */
struct reader {
	struct conf_arena *arena;
	struct conf_errors *errors;
	enum conf_what what;

	struct conf_section *sections;
	size_t n, cap;
	uint32_t *table; /* open addressing: index into sections, plus one */
	size_t table_size;

	/* the file being read */
	const char *file;
	const char *next, *end;
	unsigned int line;
	int pending; /* a line was given to inih, and line_entry() has not been called for it */

	/* the section being read */
	enum {
		SECTION_NONE,
		SECTION_KEPT,
		SECTION_SKIPPED
	} state;
	size_t section; /* its index */
	int lone;	/* the text is a single route without a header */
	struct conf_entry *entries;
	size_t n_entries, entries_cap;
};

/* First those that take no name; those from KIND_NAMED on need one, and cannot be written twice. */
static const char *const section_kinds[] = { "gateway", "edge", "keystore", "lookup", "forward",
	"tls", "route" };

#define NKINDS (sizeof(section_kinds) / sizeof(section_kinds[0]))
#define KINDS_WITHOUT_NAME 3
#define KIND_NAMED 4
#define KIND_ROUTE (NKINDS - 1)

/* Entries of a section that is written in several places: each place copies those before it. */
#define JOINED_MAX 1024

struct reader *
reader_new(struct conf_arena *arena, enum conf_what what, struct conf_errors *errors)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->arena = arena;
	r->what = what;
	r->errors = errors;
	return r;
}

void
reader_free(struct reader **reader)
{
	if (*reader == NULL)
		return;
	free((*reader)->sections);
	free((*reader)->table);
	free((*reader)->entries);
	free(*reader);
	*reader = NULL;
}

const struct conf_section *
reader_sections(const struct reader *reader, size_t *n)
{
	*n = reader->n;
	return reader->sections;
}

static void
reader_nomem(struct reader *r)
{
	conf_error(r->errors, r->file, r->line, "out of memory");
	r->next = r->end;
	r->state = SECTION_SKIPPED;
}

/* Double an array that is full. */
static int
reader_grow(void **v, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap == 0 ? 16 : *cap * 2;
	void *p;

	if (n < *cap)
		return 0;
	p = reallocarray(*v, more, size);
	if (p == NULL)
		return ERR_NOMEM;
	*v = p;
	*cap = more;
	return 0;
}

/* --- sections, in a hash table to find duplicates --- */

static size_t
section_slot(const struct reader *r, const char *kind, const char *name)
{
	const struct conf_section *s;
	uint64_t h = 0xcbf29ce484222325;
	const char *p;
	size_t i;

	for (p = kind; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3;
	for (p = name; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3;
	for (i = (h ^ (h >> 32)) & (r->table_size - 1); r->table[i] != 0;
	     i = (i + 1) & (r->table_size - 1)) {
		s = &r->sections[r->table[i] - 1];
		if (strcmp(s->kind, kind) == 0 && strcmp(s->name, name) == 0)
			break;
	}
	return i;
}

static int
section_table_grow(struct reader *r)
{
	size_t i;

	if (r->table_size > r->n * 2)
		return 0;
	free(r->table);
	r->table_size = r->table_size == 0 ? 64 : r->table_size * 2;
	r->table = calloc(r->table_size, sizeof(*r->table));
	if (r->table == NULL) {
		r->table_size = 0;
		return ERR_NOMEM;
	}
	for (i = 0; i < r->n; i++)
		r->table[section_slot(r, r->sections[i].kind, r->sections[i].name)] = (uint32_t)i +
		    1;
	return 0;
}

static void
section_begin(struct reader *r, const char *kind, const char *name, size_t len)
{
	const struct conf_section *other;
	struct conf_section s = { 0 };
	size_t slot, i;

	s.kind = arena_text(r->arena, kind, strlen(kind));
	s.name = arena_text(r->arena, name, len);
	s.file = r->file;
	s.line = r->line;
	if (s.kind == NULL || s.name == NULL || section_table_grow(r) != 0 ||
	    reader_grow((void **)&r->sections, r->n, &r->cap, sizeof(s)) != 0) {
		reader_nomem(r);
		return;
	}
	slot = section_slot(r, kind, s.name);
	for (i = KIND_NAMED; i < NKINDS && strcmp(section_kinds[i], kind) != 0; i++)
		;
	if (r->table[slot] != 0 && i < NKINDS) {
		other = &r->sections[r->table[slot] - 1];
		conf_error(r->errors, r->file, r->line,
		    "[%s %.100s] is defined twice; first at %s:%u", kind, s.name, other->file,
		    other->line);
		return;
	}
	if (r->table[slot] == 0) {
		r->sections[r->n++] = s;
		r->table[slot] = (uint32_t)r->n;
	}
	r->section = r->table[slot] - 1;
	r->state = SECTION_KEPT;
}

/* The current section ends: copy its entries to the arena, behind those from other places. */
static void
section_end(struct reader *r)
{
	struct conf_entry *entries;
	struct conf_section *s;

	if (r->state != SECTION_KEPT)
		r->n_entries = 0;
	if (r->n_entries == 0)
		return;
	s = &r->sections[r->section];
	if (s->n > 0 && s->n + r->n_entries > JOINED_MAX) {
		conf_error(r->errors, r->file, r->line, "[%s%s%.100s] has more than %d entries",
		    s->kind, s->name[0] == '\0' ? "" : " ", s->name, JOINED_MAX);
		r->n_entries = 0;
		return;
	}
	entries = arena_take(r->arena, (s->n + r->n_entries) * sizeof(*entries));
	if (entries == NULL) {
		reader_nomem(r);
		return;
	}
	if (s->n > 0)
		memcpy(entries, s->entries, s->n * sizeof(*entries));
	memcpy(entries + s->n, r->entries, r->n_entries * sizeof(*entries));
	s->entries = entries;
	s->n += r->n_entries;
	r->n_entries = 0;
}

static void
section_unknown(struct reader *r, const char *kind, const char *title, size_t len)
{
	const char *guess = keyword_guess(kind, section_kinds, NKINDS);
	const char *instead = elsewhere_section(kind);

	if (instead != NULL)
		conf_error(r->errors, r->file, r->line, "unknown section [%.*s]: %s",
		    (int)(len > 100 ? 100 : len), title, instead);
	else
		conf_error(r->errors, r->file, r->line, "unknown section [%.*s]%s%s%s",
		    (int)(len > 100 ? 100 : len), title, guess == NULL ? "" : " (did you mean ",
		    guess == NULL ? "" : guess, guess == NULL ? "" : "?)");
}

/* Begin the section of a header, "[kind]" or "[kind name]", of len bytes without blanks around it. */
static void
section_header(struct reader *r, const char *text, size_t len)
{
	const char *close = line_header_close(text, len), *name;
	char kind[24];
	size_t i, n;

	if (r->lone) {
		conf_error(r->errors, r->file, r->line,
		    "there can be no [sections] here: all of it is one [route]");
		return;
	}
	section_end(r);
	r->state = SECTION_SKIPPED;
	if (close == NULL) {
		conf_error(r->errors, r->file, r->line, "this [section] has no ]");
		return;
	}
	if (!line_header_ends(close + 1, text + len)) {
		conf_error(r->errors, r->file, r->line, "there is text after the ]");
		return;
	}
	for (text++; text < close && (*text == ' ' || *text == '\t'); text++)
		;
	while (close > text && (close[-1] == ' ' || close[-1] == '\t'))
		close--;
	for (name = text; name < close && *name != ' ' && *name != '\t'; name++)
		;
	n = (size_t)(name - text);
	while (name < close && (*name == ' ' || *name == '\t'))
		name++;
	snprintf(kind, sizeof(kind), "%.*s", (int)(n < sizeof(kind) ? n : sizeof(kind)), text);
	for (i = 0; i < NKINDS && strcasecmp(section_kinds[i], kind) != 0; i++)
		;
	if (i == NKINDS) {
		section_unknown(r, kind, text, (size_t)(close - text));
	} else if (i == KIND_ROUTE && name == close) {
		conf_error(r->errors, r->file, r->line,
		    "[route] needs a name: the login, or a pattern such as dev-*");
	} else if (i >= KIND_NAMED && name == close) {
		conf_error(r->errors, r->file, r->line, "[%s] needs a name, such as [%s web]",
		    section_kinds[i], section_kinds[i]);
	} else if (i < KINDS_WITHOUT_NAME && name != close) {
		conf_error(r->errors, r->file, r->line, "[%s] takes no name", section_kinds[i]);
	} else if (i == KIND_ROUTE && r->what == CONF_GATEWAY) {
		return;
	} else if (close - name > 1 && (*name == '"' || *name == '\'') && close[-1] == *name) {
		conf_error(r->errors, r->file, r->line,
		    "a name is written without quotes: [%s %.*s]", section_kinds[i],
		    (int)(close - name > 102 ? 100 : close - name - 2), name + 1);
	} else {
		section_begin(r, section_kinds[i], name, (size_t)(close - name));
	}
}

/* --- lines --- */

/* Is there anything in it that would not come out as it is written? */
static int
line_ok(struct reader *r, const char *text, size_t len)
{
	size_t i;

	if (len > READER_LINE_MAX) {
		conf_error(r->errors, r->file, r->line, "line is longer than %d bytes",
		    READER_LINE_MAX);
		return 0;
	}
	for (i = 0; i < len; i++) {
		if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f) {
			conf_error(r->errors, r->file, r->line,
			    "there is a %s (0x%02x) in this line",
			    text[i] == '\0' ? "NUL byte" : "control character", text[i]);
			return 0;
		}
	}
	if (line_has_quoted_comment(text, len)) {
		conf_error(r->errors, r->file, r->line,
		    "\" ;\" begins a comment even between quotes and would cut this value: leave "
		    "out the blank before it, or, if this is an AuthorizedKey, put the line into "
		    "a file for AuthorizedKeysFile");
		return 0;
	}
	return 1;
}

/*
 * inih takes a ':' for a '='.  Here it is an error: a line whose '=' is missing and whose value is an IPv6
 * address would be split in the middle of the address.
 */
static int
line_has_equals(struct reader *r, const char *text, size_t len)
{
	const char *end = text + len, *p, *value;
	size_t key;

	for (p = text; p < end && *p != '=' && *p != ':'; p++)
		;
	for (key = 0; key < len && isalnum((unsigned char)text[key]); key++)
		;
	if (key == 0 || (p < end && *p == '='))
		return 1;
	if (p == end) {
		if (!line_is_of_sshd_config(text, end))
			return 1;
		conf_error(r->errors, r->file, r->line, "there is no = after %.*s",
		    (int)(key > 60 ? 60 : key), text);
		return 0;
	}
	value = text + key;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	if (value < end && *value == ':')
		value++;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	for (p = value; p < end && !(*p == ';' && (p[-1] == ' ' || p[-1] == '\t')); p++)
		;
	while (p > value && (p[-1] == ' ' || p[-1] == '\t'))
		p--;
	/* a long value or a password hash is not repeated in the message */
	if (p - value > 40 || (p > value && *value == '$'))
		conf_error(r->errors, r->file, r->line, "there is no = after %.*s",
		    (int)(key > 60 ? 60 : key), text);
	else
		conf_error(r->errors, r->file, r->line, "there is no =: write %.*s = %.*s",
		    (int)(key > 60 ? 60 : key), text, (int)(p - value), value);
	return 0;
}

/* An error for the last line given to inih, if inih did not make an entry of it. */
static void
line_settle(struct reader *r)
{
	if (r->pending)
		conf_error(r->errors, r->file, r->line,
		    "this is neither KEYWORD = VALUE nor a [section] nor a ; comment");
	r->pending = 0;
}

/* Add an entry to the section being read. */
static void
line_entry(struct reader *r, const char *key, size_t key_len, const char *value, size_t len)
{
	struct conf_entry e = { .file = r->file, .line = r->line };

	r->pending = 0;
	if (key_len == 0) {
		conf_error(r->errors, r->file, r->line, "there is no keyword before the =");
		return;
	}
	if (r->state == SECTION_NONE) {
		conf_error(r->errors, r->file, r->line, "%.*s is not in any [section]",
		    (int)(key_len > 60 ? 60 : key_len), key);
		return;
	}
	e.key = arena_text(r->arena, key, key_len);
	e.value = arena_text(r->arena, value, len);
	if (e.key == NULL || e.value == NULL ||
	    reader_grow((void **)&r->entries, r->n_entries, &r->entries_cap, sizeof(e)) != 0) {
		reader_nomem(r);
		return;
	}
	r->entries[r->n_entries++] = e;
}

/* Split a line for which inih has no room, in the same way. */
static void
line_split(struct reader *r, const char *text, size_t len)
{
	const char *end = text, *equals, *key_end, *value;

	r->pending = 1;
	while (
	    end < text + len && !(*end == ';' && end > text && (end[-1] == ' ' || end[-1] == '\t')))
		end++;
	equals = memchr(text, '=', (size_t)(end - text));
	if (equals == NULL)
		return;
	for (key_end = equals; key_end > text && (key_end[-1] == ' ' || key_end[-1] == '\t');
	     key_end--)
		;
	for (value = equals + 1; value < end && (*value == ' ' || *value == '\t'); value++)
		;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	line_entry(r, text, (size_t)(key_end - text), value, (size_t)(end - value));
}

/* Give inih the next line that looks like an entry.  (ini_reader) */
static char *
line_next(char *out, int size, void *ctx)
{
	struct reader *r = ctx;
	const char *text, *end;

	line_settle(r);
	while (r->next < r->end) {
		text = r->next;
		end = memchr(text, '\n', (size_t)(r->end - text));
		r->next = end == NULL ? r->end : end + 1;
		if (end == NULL)
			end = r->end;
		r->line++;
		if (r->line == 1 && end - text >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
			text += 3; /* the byte order mark of some Windows editors */
		while (text < end && (*text == ' ' || *text == '\t'))
			text++;
		while (end > text && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
			end--;
		if (text == end || *text == ';' || *text == '#')
			continue;
		if (*text != '[' && r->state == SECTION_SKIPPED)
			continue;
		if (!line_ok(r, text, (size_t)(end - text)))
			continue;
		if (*text == '[') {
			section_header(r, text, (size_t)(end - text));
			continue;
		}
		if (!line_has_equals(r, text, (size_t)(end - text)))
			continue;
		if (end - text > size - 2) {
			line_split(r, text, (size_t)(end - text));
			line_settle(r);
			continue;
		}
		memcpy(out, text, (size_t)(end - text));
		out[end - text] = '\n';
		out[end - text + 1] = '\0';
		r->pending = 1;
		return out;
	}
	return NULL;
}

/* inih's callback (ini_handler) for an entry. */
static int
line_of_inih(void *ctx, const char *section, const char *key, const char *value)
{
	(void)section;
	line_entry(ctx, key, strlen(key), value, strlen(value));
	return 1;
}

/* --- files --- */

static void
reader_text_read(struct reader *r, const char *text, size_t len)
{
	r->next = text;
	r->end = r->next + len;

	if (ini_parse_stream(line_next, r, line_of_inih, r) == -2)
		reader_nomem(r);
	line_settle(r);
	section_end(r);
	r->state = SECTION_NONE;
}

void
reader_route(struct reader *r, const char *source, const char *name, const char *text, size_t len)
{
	r->file = source;
	r->line = 0;
	r->pending = 0;
	r->n_entries = 0;
	r->lone = 1;
	section_begin(r, "route", name, strlen(name));
	reader_text_read(r, text, len);
	r->lone = 0;
}

void
reader_text(struct reader *r, const char *name, const char *text, size_t len)
{
	r->file = name;
	r->line = 0;
	r->pending = 0;
	r->state = SECTION_NONE;
	r->n_entries = 0;
	reader_text_read(r, text, len);
}

void
reader_file(struct reader *r, const char *name, int fd)
{
	struct buf text;
	int err;

	buf_init(&text, READER_FILE_MAX);
	err = fd_read_all(fd, &text);
	if (err != 0)
		conf_error(r->errors, name, 0, "%s", err_str(err));
	else
		reader_text(r, name, (const char *)text.data, text.len);
	buf_free(&text);
}
