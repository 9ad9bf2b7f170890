#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "keys_lab.h"
#include "tmp_dir.h"
#include "transport/keys.h"

int
keys_lab_setup(void **state)
{
	return sodium_init() == -1 ? -1 : tmp_dir_setup(state);
}

int
run(const char *fmt, ...)
{
	char command[512], quiet[640];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	snprintf(quiet, sizeof(quiet), "{ %s; } >/dev/null 2>&1 </dev/null", command);
	return system(quiet);
}

void
slurp(const char *name, struct buf *out)
{
	uint8_t block[4096];
	size_t n;
	FILE *f;

	buf_init(out, 1 << 20);
	f = fopen(name, "r");
	assert_non_null(f);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		buf_put(out, block, n);
	fclose(f);
	assert_int_equal(buf_err(out), 0);
}

void
slurp_pub(const char *name, struct buf *blob)
{
	char file[64], type[64], b64[4096];
	struct buf text;
	size_t len;

	snprintf(file, sizeof(file), "%s.pub", name);
	slurp(file, &text);
	assert_int_equal(sscanf(buf_cstr(&text), "%63s %4095s", type, b64), 2);
	buf_init(blob, 4096);
	assert_int_equal(sodium_base642bin(buf_reserve(blob, 4096), 4096, b64, strlen(b64), NULL,
			     &len, NULL, sodium_base64_VARIANT_ORIGINAL),
	    0);
	blob->len = len;
	buf_free(&text);
}

void
assert_key_signs(struct secret *priv, const char *type, const char *alg, struct buf *pub)
{
	uint8_t flags = 0xff;
	struct buf sig;
	size_t i;

	buf_init(&sig, 16384);
	assert_int_equal(key_sign(priv, type, alg, DATA, DATALEN, &sig), 0);
	assert_int_equal(key_verify(buf_bytes(pub), alg, buf_bytes(&sig), DATA, DATALEN, &flags),
	    0);
	assert_int_equal(flags, 0);
	assert_int_equal(key_verify(buf_bytes(pub), alg, buf_bytes(&sig), DATA, DATALEN - 1,
			     &flags),
	    ERR_AUTH);
	assert_int_equal(key_verify(buf_bytes(pub), alg, buf_bytes(&sig), "What is signed", DATALEN,
			     &flags),
	    ERR_AUTH);
	/* Each byte of the signature counts, one bit after the other. */
	for (i = 0; i < sig.len; i++) {
		sig.data[i] ^= (uint8_t)(1 << i % 8);
		assert_int_not_equal(key_verify(buf_bytes(pub), alg, buf_bytes(&sig), DATA, DATALEN,
					 &flags),
		    0);
		sig.data[i] ^= (uint8_t)(1 << i % 8);
	}
	/* Cut short anywhere, or with a byte more. */
	for (i = 0; i < sig.len; i++)
		assert_int_not_equal(key_verify(buf_bytes(pub), alg, (struct bytes){ sig.data, i },
					 DATA, DATALEN, &flags),
		    0);
	for (i = 0; i < pub->len; i++)
		assert_int_not_equal(key_verify((struct bytes){ pub->data, i }, alg,
					 buf_bytes(&sig), DATA, DATALEN, &flags),
		    0);
	buf_put_u8(&sig, 0);
	assert_int_equal(key_verify(buf_bytes(pub), alg, buf_bytes(&sig), DATA, DATALEN, &flags),
	    ERR_FORMAT);
	buf_free(&sig);
}
