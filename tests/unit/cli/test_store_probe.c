/*
 * cli/store_probe.c: what `sallyport check` finds in the key store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "cli/store_probe.h"
#include "tmp_dir.h"
#include "transport/keys.h"

/* Many routes may use one key: it is opened once, and the answer kept, found or not. */
static void
test_probe_opens_each_once(void **state)
{
	char keys[] = "keys", unlock[] = "file:keys/.unlock";
	const struct conf_keystore conf = { .path = keys, .unlock = unlock };
	const struct as_user nobody = { 0 };
	struct store_probe probe;
	struct reason why;
	struct keystore *ks;
	struct secret *priv;
	struct buf pub;
	const char *text;
	char type[64];

	(void)state;
	assert_int_equal(keystore_open(keys, unlock, 1, &ks, &why), 0);
	buf_init(&pub, 4096);
	assert_int_equal(key_generate("ed25519", &priv, &pub, type), 0);
	assert_int_equal(keystore_add(ks, "alice", type, priv, &pub, &why), 0);
	secret_free(&priv);
	buf_free(&pub);
	keystore_free(&ks);
	assert_int_equal(store_probe_open(&probe, &conf, &nobody, &why), 0);
	assert_int_equal(store_probe_try(&probe, KEYSTORE_KEY, "alice", &text), 0);
	assert_int_equal(store_probe_try(&probe, KEYSTORE_KEY, "bob", &text), ERR_NOTFOUND);
	/* asked for a password, the answer is not that of the key */
	assert_int_not_equal(store_probe_try(&probe, KEYSTORE_PASSWORD, "alice", &text), 0);
	assert_non_null(strstr(text, "is a key, not a password"));
	assert_int_equal(rename("keys/alice", "keys/bob"), 0);
	assert_int_equal(store_probe_try(&probe, KEYSTORE_KEY, "alice", &text), 0);
	assert_int_equal(store_probe_try(&probe, KEYSTORE_KEY, "bob", &text), ERR_NOTFOUND);
	store_probe_close(&probe);
	/* opened anew, the store is read anew */
	assert_int_equal(store_probe_open(&probe, &conf, &nobody, &why), 0);
	assert_int_equal(store_probe_try(&probe, KEYSTORE_KEY, "alice", &text), ERR_NOTFOUND);
	assert_int_equal(store_probe_try(&probe, KEYSTORE_KEY, "bob", &text), ERR_AUTH);
	assert_non_null(strstr(text, "renamed"));
	store_probe_close(&probe);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe_opens_each_once),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
