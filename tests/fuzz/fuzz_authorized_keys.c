/*
 * auth/authorized_keys: the input is a file.  The key is looked for in it, alone
 * and with its own line behind the rest, where it has to be found.  With an index the answer is
 * the same; so it is for the file as a list of plain keys.
 */
#include <string.h>

#include "formats/authorized_keys.h"
#include "formats/authorized_options.h"
#include "formats/key_list.h"
#include "formats/pubkey.h"
#include "fuzz.h"

static const char line[] =
    "\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n";

static int
read_line(void *ctx, const struct key_line *at, struct bytes *out)
{
	const struct bytes *text = ctx;

	CHECK(at->offset <= text->len && at->len <= text->len - at->offset && at->number > 0);
	*out = (struct bytes){ text->p + at->offset, at->len };
	return 0;
}

/* found, o and why are what the text without an index gives. */
static void
check_index(struct bytes text, const struct authorized_request *request, int found,
    const struct authorized_options *o, const char *why)
{
	struct authorized_options other;
	struct key_index *index;
	struct reason reason;

	CHECK(key_index_new(text, KEY_INDEX_AUTHORIZED, &index) == 0);
	CHECK(authorized_keys_find_indexed(index, read_line, &text, request, &other, &reason) ==
	    found);
	CHECK(
	    strcmp(reason.text, why) == 0 && other.line == o->line && other.permits == o->permits);
	CHECK((other.command == NULL) == (o->command == NULL));
	CHECK(o->command == NULL || strcmp(o->command, other.command) == 0);
	authorized_options_free(&other);
	key_index_free(&index);
}

static void
check_list(struct bytes text, struct bytes blob, enum key_list kind)
{
	struct key_index *index;

	CHECK(key_index_new(text, kind == KEY_LIST_TRUSTED ? KEY_INDEX_TRUSTED : KEY_INDEX_REVOKED,
		  &index) == 0);
	CHECK(key_list_has(text, &blob, 1, kind) == key_list_has_indexed(index, &blob, 1, kind));
	key_index_free(&index);
}

static int
find(const char *text, size_t len, struct bytes blob)
{
	const struct authorized_request request = { .blob = blob,
		.address = "203.0.113.9",
		.now = 1700000000 };
	struct authorized_options o;
	struct reason why;
	int found;

	memset(why.text, 'X', sizeof(why.text));
	found = authorized_keys_find(text, len, &request, &o, &why);
	CHECK(memchr(why.text, '\0', sizeof(why.text)) != NULL);
	CHECK(found == 0 || found == 1);
	if (found) {
		CHECK(why.text[0] == '\0' && o.line > 0 && !o.cert_authority);
		CHECK((o.permits & ~(unsigned int)AUTHORIZED_ALL) == 0);
	} else {
		CHECK(o.command == NULL && o.environment.v == NULL && o.permits == 0);
	}
	check_index((struct bytes){ (const uint8_t *)text, len }, &request, found, &o, why.text);
	check_list((struct bytes){ (const uint8_t *)text, len }, blob, KEY_LIST_TRUSTED);
	check_list((struct bytes){ (const uint8_t *)text, len }, blob, KEY_LIST_REVOKED);
	authorized_options_free(&o);
	return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes blob;
	struct buf key, text;
	time_t when;

	buf_init(&key, 1000);
	buf_init(&text, len + sizeof(line) + 1);
	CHECK(pubkey_parse(line + 1, sizeof(line) - 2, &key) == 0);
	blob = buf_bytes(&key);
	(void)find((const char *)data, len, blob);

	buf_put(&text, data, len);
	if (buf_cstr(&text) != NULL) {
		(void)address_match("203.0.113.9", buf_cstr(&text));
		(void)address_match("2001:db8::1", buf_cstr(&text));
		(void)address_match(buf_cstr(&text), "*,!10.0.0.0/8,2001:db8::/32");
		if (authorized_time_parse(buf_cstr(&text), &when) != 0)
			CHECK(when == 0);
	}
	buf_put(&text, line, sizeof(line) - 1);
	CHECK(buf_err(&text) == 0);
	CHECK(find((const char *)text.data, text.len, blob) == 1);
	buf_free(&text);
	buf_free(&key);
	return 0;
}
