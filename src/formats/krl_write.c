/*
 * Writing a KRL: for each CA serial numbers and key IDs, and for all of them fingerprints of keys.  Called by
 * cli/ca_revoke.c.
 */
#include <string.h>

#include "formats/krl_format.h"
#include "formats/krl_write.h"

static void
krl_write_section(struct buf *out, enum krl_section type, struct buf *data)
{
	if (data->len > 0 || buf_err(data) != 0) {
		buf_put_u8(out, (uint8_t)type);
		wire_put_message(out, data);
	}
	buf_free(data);
}

/* The section of one CA. */
static void
krl_write_certificates(struct buf *out, const struct revoked *list)
{
	const struct revoked_range *s;
	struct buf all, part;
	size_t i;

	buf_init(&all, out->max);
	wire_put_bytes(&all, buf_bytes(&list->ca));
	wire_put_string(&all, NULL, 0); /* reserved */
	buf_init(&part, out->max);
	for (i = 0; i < list->n_serials; i++)
		if (list->serials[i].first == list->serials[i].last)
			wire_put_u64(&part, list->serials[i].first);
	krl_write_section(&all, KRL_SERIAL_LIST, &part);
	for (i = 0; i < list->n_serials; i++) {
		s = &list->serials[i];
		if (s->first == s->last)
			continue;
		wire_put_u64(&part, s->first);
		wire_put_u64(&part, s->last);
		krl_write_section(&all, KRL_SERIAL_RANGE, &part);
	}
	for (i = 0; i < list->ids.n; i++)
		wire_put_text(&part, list->ids.v[i]);
	krl_write_section(&all, KRL_KEY_ID, &part);
	krl_write_section(out, KRL_CERTIFICATES, &all);
}

/* Fingerprints of keys, which hold for whatever CA has signed them. */
static void
krl_write_keys(struct buf *out, const struct revoked *lists, size_t n)
{
	uint8_t hash[KRL_SHA256_SIZE];
	struct buf all;
	size_t i, k;

	buf_init(&all, out->max);
	for (i = 0; i < n; i++)
		for (k = 0; k < lists[i].keys.n; k++)
			/* revoked_add_key() has parsed it before */
			if (revoked_fingerprint(lists[i].keys.v[k], hash) == 0)
				wire_put_string(&all, hash, sizeof(hash));
	krl_write_section(out, KRL_SHA256, &all);
}

void
krl_write(struct buf *out, const struct revoked *lists, size_t n, uint64_t version, uint64_t when)
{
	size_t i;

	buf_put(out, KRL_MAGIC, KRL_MAGIC_SIZE);
	wire_put_u32(out, KRL_VERSION);
	wire_put_u64(out, version);
	wire_put_u64(out, when);
	wire_put_u64(out, 0);	       /* flags: there are none */
	wire_put_string(out, NULL, 0); /* reserved */
	wire_put_text(out, "sallyport");
	for (i = 0; i < n; i++)
		if (lists[i].n_serials > 0 || lists[i].ids.n > 0)
			krl_write_certificates(out, &lists[i]);
	krl_write_keys(out, lists, n);
}
