/*
 * Is a key, or a certificate, that the client shows one that opens this login?
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth/pubkey.h"
#include "base/log.h"
#include "keeper/authorize.h"
#include "keeper/downstream.h"
#include "transport/keys.h"

/* Say once why a key that stands in a file was not taken. */
static void __attribute__((format(printf, 2, 3))) not_taken(struct ward *w, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strncmp(text, w->said, sizeof(w->said) - 1) == 0)
		return;
	snprintf(w->said, sizeof(w->said), "%.*s", (int)sizeof(w->said) - 1, text);
	log_info("session %04jx: %s: key %s not accepted: %s", (uintmax_t)w->id, ward_login(w),
	    auth_server_fingerprint(w->server), text);
}

int
downstream_key_allowed(void *ctx, const char *alg, struct bytes blob)
{
	struct ward *w = ctx;
	const struct authorize_request request = { .route = w->route,
		.login = auth_server_login(w->server),
		.address = w->client,
		.now = time(NULL) };
	struct authorize_answer answer;

	if (!authorize_key(&request, blob, &answer)) {
		if (answer.why[0] != '\0')
			not_taken(w, "%s", answer.why);
		return 0;
	}
	authorized_options_free(&w->shown);
	w->shown = answer.options;
	return 1;
}

int
downstream_key_verify(void *ctx, const char *alg, struct bytes blob, struct bytes sig,
    const void *data, size_t len)
{
	struct ward *w = ctx;
	uint8_t flags;
	char type[64];
	int r;

	r = key_verify(blob, alg, sig, data, len, &flags);
	if (r != 0)
		return r;
	r = pubkey_type(blob, type);
	if (r != 0 || strncmp(type, "sk-", 3) != 0)
		return r;
	/* a signature made without a touch is as good to the mathematics */
	if (!w->shown.no_touch_required && (flags & KEY_SK_USER_PRESENT) == 0) {
		not_taken(w, "signed without a touch of the security key");
		return ERR_AUTH;
	}
	if (w->shown.verify_required && (flags & KEY_SK_USER_VERIFIED) == 0) {
		not_taken(w, "signed without verification of the user");
		return ERR_AUTH;
	}
	return 0;
}
