/*
 * Writing certificates.  The keeper has one made at each login of a route with Key = ca:, and
 * `sallyport ca sign` makes those of users and hosts.
 */
#include <string.h>

#include <sodium.h>

#include "formats/cert_write.h"
#include "formats/pubkey.h"

/* As ssh-keygen has it. */
#define CERT_NONCE_SIZE 32

const char *
cert_ca_algorithm(const char *type)
{
	const char *certificate = cert_type_for_key(type);

	if (strcmp(type, "ssh-rsa") == 0)
		return "rsa-sha2-512";
	/* a key on a token needs a finger at each signature: ssh-keygen takes such a CA, but a
	 * gateway has none, and an agent's would ask at each login */
	if (strncmp(type, "sk-", 3) == 0 || certificate == NULL)
		return NULL;
	return cert_key_type(certificate);
}

static int
cert_text_ok(const char *text)
{
	return text == NULL || strlen(text) <= CERT_TEXT_MAX;
}

static int
cert_order_check(const struct cert_order *order)
{
	if ((order->kind != CERT_USER && order->kind != CERT_HOST) || order->key_id == NULL ||
	    order->principals == NULL || order->principals->n == 0 ||
	    order->valid_after >= order->valid_before)
		return ERR_FORMAT;
	if (!cert_text_ok(order->key_id) || !cert_text_ok(order->force_command) ||
	    !cert_text_ok(order->source_address))
		return ERR_FORMAT;
	if (order->kind == CERT_HOST &&
	    (order->force_command != NULL || order->source_address != NULL ||
		order->verify_required || order->no_touch_required || order->permits != 0))
		return ERR_FORMAT;
	return order->principals->n > CERT_PRINCIPALS_MAX ? ERR_TOOBIG : 0;
}

/* Check the type of the CA's key. */
static int
cert_ca_blob_check(struct bytes ca)
{
	char type[64];
	int r = pubkey_check(ca);

	if (r == 0 && (pubkey_type(ca, type) != 0 || cert_ca_algorithm(type) == NULL))
		r = ERR_ALGORITHM;
	return r;
}

/* The type, the nonce and the key. */
static int
cert_put_front(struct buf *out, struct bytes key)
{
	uint8_t nonce[CERT_NONCE_SIZE];
	struct bytes numbers;
	const char *type;
	char plain[64];
	struct wire w;
	int r;

	r = pubkey_check(key);
	if (r != 0)
		return r;
	if (pubkey_type(key, plain) != 0)
		return ERR_FORMAT;
	type = cert_type_for_key(plain);
	if (type == NULL)
		return ERR_ALGORITHM;
	wire_init(&w, key.p, key.len);
	(void)wire_string(&w); /* type */
	numbers = wire_rest(&w);
	randombytes_buf(nonce, sizeof(nonce));
	wire_put_text(out, type);
	wire_put_string(out, nonce, sizeof(nonce));
	buf_put(out, numbers.p, numbers.len);
	return 0;
}

static void
cert_put_principals(struct buf *out, const struct strlist *principals)
{
	struct buf list;
	size_t i;

	buf_init(&list, CERT_WRITE_MAX);
	for (i = 0; i < principals->n; i++)
		wire_put_text(&list, principals->v[i]);
	wire_put_message(out, &list);
}

/* An option: its value is a string with a string in it, or empty. */
static void
cert_put_option(struct buf *list, const char *name, const char *value)
{
	struct buf inner;

	wire_put_text(list, name);
	buf_init(&inner, CERT_TEXT_MAX + 4);
	if (value != NULL)
		wire_put_text(&inner, value);
	wire_put_message(list, &inner);
}

/* Both lists are sorted by name, as PROTOCOL.certkeys wants them. */
static void
cert_put_options(struct buf *out, const struct cert_order *order)
{
	struct buf list;
	size_t i;

	buf_init(&list, CERT_WRITE_MAX);
	if (order->force_command != NULL)
		cert_put_option(&list, "force-command", order->force_command);
	if (order->source_address != NULL)
		cert_put_option(&list, "source-address", order->source_address);
	if (order->verify_required)
		cert_put_option(&list, "verify-required", NULL);
	wire_put_message(out, &list);

	buf_init(&list, CERT_WRITE_MAX);
	if (order->no_touch_required)
		cert_put_option(&list, "no-touch-required", NULL);
	for (i = 0; i < CERT_EXTENSIONS; i++)
		if ((order->permits & cert_extensions[i].permits) != 0)
			cert_put_option(&list, cert_extensions[i].name, NULL);
	wire_put_message(out, &list);
}

int
cert_begin(struct buf *out, const struct cert_order *order, struct bytes ca)
{
	int r = cert_order_check(order);

	if (r == 0)
		r = cert_ca_blob_check(ca);
	if (r == 0)
		r = cert_put_front(out, order->key);
	if (r != 0)
		return r;
	wire_put_u64(out, order->serial);
	wire_put_u32(out, (uint32_t)order->kind);
	wire_put_text(out, order->key_id);
	cert_put_principals(out, order->principals);
	wire_put_u64(out, order->valid_after);
	wire_put_u64(out, order->valid_before);
	cert_put_options(out, order);
	wire_put_text(out, ""); /* reserved */
	wire_put_bytes(out, ca);
	return buf_err(out);
}

int
cert_end(struct buf *out, struct bytes signature)
{
	struct cert c;

	wire_put_bytes(out, signature);
	return buf_err(out) != 0 ? buf_err(out) : cert_parse(&c, buf_bytes(out));
}
