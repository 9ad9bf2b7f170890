/*
 * auth/cert and auth/revoked: the input is a certificate, a revocation list, or options of
 * a certificate.
 */
#include <string.h>

#include "formats/authorized_options.h"
#include "formats/cert.h"
#include "formats/pubkey.h"
#include "formats/krl.h"
#include "fuzz.h"

/* Each part lies where it may lie. */
static int
within(struct bytes part, struct bytes whole)
{
	return part.len == 0 ||
	    (part.p >= whole.p && part.len <= whole.len &&
		part.p - whole.p <= (ptrdiff_t)(whole.len - part.len));
}

static void
look_at_options(const struct cert *c)
{
	struct authorized_options o, line = { .permits = AUTHORIZED_PTY, .command = NULL };
	struct reason why;

	memset(why.text, 'X', sizeof(why.text));
	if (cert_options(c, "203.0.113.9", &o, &why)) {
		CHECK((o.permits & ~(unsigned int)AUTHORIZED_ALL) == 0);
		CHECK(authorized_options_merge(&line, &o, &why) == 1);
		CHECK((line.permits & ~(unsigned int)AUTHORIZED_PTY) == 0);
		CHECK(line.no_touch_required == 0);
		CHECK((line.command == NULL) == (o.command == NULL));
		authorized_options_free(&line);
	} else {
		CHECK(memchr(why.text, '\0', sizeof(why.text)) != NULL && why.text[0] != '\0');
		CHECK(o.command == NULL && o.permits == 0);
	}
	authorized_options_free(&o);
}

static void
look_at_cert(struct bytes blob)
{
	struct reason why;
	char shown[CERT_SHOW_SIZE], alg[64], type[64];
	struct cert c;
	struct buf key;

	buf_init(&key, blob.len + 64);
	cert_put_key(blob, &key);
	CHECK(buf_err(&key) == 0);
	if (cert_parse(&c, blob) == 0) {
		CHECK(within(c.numbers, blob) && within(c.key_id, blob) &&
		    within(c.principals, blob) && within(c.critical, blob) &&
		    within(c.extensions, blob) && within(c.ca, blob) && within(c.covered, blob) &&
		    within(c.signature, blob));
		CHECK(c.covered.p == blob.p && c.covered.len + 4 + c.signature.len == blob.len);
		CHECK(pubkey_check(buf_bytes(&key)) == 0);
		CHECK(pubkey_check(c.ca) == 0 && pubkey_type(c.ca, type) == 0);
		cert_signature_algorithm(&c, alg);
		CHECK(pubkey_algorithm_ok(type, alg) && strstr(alg, "cert") == NULL);
		CHECK(memchr(cert_show(&c, shown), '\n', strlen(shown)) == NULL);
		(void)cert_valid(&c, CERT_USER, 1700000000, &why);
		(void)cert_has_principal(&c, "alice");
		(void)cert_names_host(&c, "alice", 1700000000, &why);
		look_at_options(&c);
		CHECK(krl_check((struct bytes){ (const uint8_t *)"", 0 }, blob, &c) == 0);
	}
	buf_free(&key);
}

/* The input as both lists of options. */
static void
look_at_bytes(struct bytes b)
{
	struct cert c = { .critical = b };

	look_at_options(&c);
	c = (struct cert){ .extensions = b };
	look_at_options(&c);
}

static void
look_at_list(struct bytes list)
{
	static const struct cert c = { .serial = 7, .key_id = { (const uint8_t *)"id", 2 } };
	struct bytes key = { (const uint8_t *)"\0\0\0\1x", 5 };
	int plain = krl_check(list, key, NULL), cert = krl_check(list, key, &c);

	CHECK(plain == 0 || plain == 1 || plain == ERR_FORMAT);
	/* what the key suffers its certificate does; and a list is understood, or not */
	CHECK((plain < 0) == (cert < 0) && (plain != 1 || cert == 1));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes input = { data, len };

	look_at_cert(input);
	look_at_bytes(input);
	look_at_list(input);
	return 0;
}
