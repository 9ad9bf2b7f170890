/*
 * formats/revoked and formats/krl_write: the input is the list of a CA; what is understood is written again
 * the same, and its KRL revokes what it says.
 */
#include <string.h>

#include "formats/cert.h"
#include "formats/krl.h"
#include "formats/krl_write.h"
#include "formats/pubkey.h"
#include "fuzz.h"

#define MAX (1024 * 1024)

/* Certificates of that CA with each number at the end of a range, and with each ID. */
static void
look_at_krl(const struct revoked *list)
{
	const struct bytes key = { (const uint8_t *)"\0\0\0\1x", 5 };
	struct cert c = { .ca = buf_bytes(&list->ca) };
	struct buf krl;
	size_t i;

	buf_init(&krl, MAX);
	krl_write(&krl, list, 1, 1, 1);
	CHECK(buf_err(&krl) == 0);
	CHECK(krl_check(buf_bytes(&krl), key, NULL) == 0);
	for (i = 0; i < list->n_serials && i < 16; i++) {
		c.serial = list->serials[i].first;
		CHECK(krl_check(buf_bytes(&krl), key, &c) == 1);
		c.serial = list->serials[i].last;
		CHECK(krl_check(buf_bytes(&krl), key, &c) == 1);
		c.serial = list->serials[i].last + 1; /* in a gap, or 0: no number */
		CHECK(krl_check(buf_bytes(&krl), key, &c) == 0);
	}
	c.serial = 0;
	for (i = 0; i < list->ids.n && i < 16; i++) {
		c.key_id = (struct bytes){ (const uint8_t *)list->ids.v[i],
			strlen(list->ids.v[i]) };
		CHECK(krl_check(buf_bytes(&krl), key, &c) == 1);
	}
	buf_free(&krl);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct revoked list, again;
	struct buf text, more;
	struct reason why;
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	size_t i;

	revoked_init(&list);
	if (len > 65536 || revoked_get(&list, (struct bytes){ data, len }, &why) != 0) {
		revoked_free(&list);
		return 0;
	}
	for (i = 0; i < list.n_serials; i++)
		CHECK(list.serials[i].first > 0 && list.serials[i].first <= list.serials[i].last &&
		    (i == 0 || list.serials[i - 1].last + 1 < list.serials[i].first));
	buf_init(&text, MAX);
	buf_init(&more, MAX);
	revoked_put(&list, &text);
	revoked_init(&again);
	CHECK(buf_err(&text) == 0 && revoked_get(&again, buf_bytes(&text), &why) == 0);
	revoked_put(&again, &more);
	CHECK(bytes_equal(buf_bytes(&text), buf_bytes(&more)));
	pubkey_fingerprint(buf_bytes(&list.ca), fingerprint);
	if (!strlist_has(&list.keys, fingerprint))
		look_at_krl(&list);
	buf_free(&text);
	buf_free(&more);
	revoked_free(&again);
	revoked_free(&list);
	return 0;
}
