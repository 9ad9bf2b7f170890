/*
 * May the key or certificate that the client offers log in here, and is this its signature?
 * auth_server calls both functions.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "formats/pubkey.h"
#include "base/log.h"
#include "access/user_key.h"
#include "keeper/downstream.h"
#include "keeper/ksession.h"
#include "transport/keys.h"

/* Log once why a key that is in one of the route's files is not accepted. */
static void __attribute__((format(printf, 2, 3)))
downstream_log_refusal(struct ksession *s, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strncmp(text, s->down.key_refusal, sizeof(s->down.key_refusal) - 1) == 0)
		return;
	snprintf(s->down.key_refusal, sizeof(s->down.key_refusal), "%.*s",
	    (int)sizeof(s->down.key_refusal) - 1, text);
	ksession_info(s, "%s: key %s not accepted: %s", ksession_login(s),
	    auth_server_fingerprint(s->down.auth), text);
}

int
downstream_key_allowed(void *ctx, const char *alg, struct bytes blob)
{
	struct ksession *s = ctx;
	const struct user_key_request request = { .route = s->route,
		.login = auth_server_login(s->down.auth),
		.address = s->client,
		.now = time(NULL) };
	struct user_key_answer answer;

	if (!user_key_allowed(&request, blob, &answer)) {
		if (answer.why.text[0] != '\0')
			downstream_log_refusal(s, "%s", answer.why.text);
		return 0;
	}
	authorized_options_free(&s->down.offered_options);
	s->down.offered_options = answer.options;
	return 1;
}

int
downstream_key_verify(void *ctx, const char *alg, struct bytes blob, struct bytes sig,
    const void *data, size_t len)
{
	struct ksession *s = ctx;
	uint8_t flags;
	char type[64];
	int r;

	r = key_verify(blob, alg, sig, data, len, &flags);
	if (r != 0)
		return r;
	r = pubkey_type(blob, type);
	if (r != 0 || strncmp(type, "sk-", 3) != 0)
		return r;
	/* a signature made without a touch verifies as well */
	if (!s->down.offered_options.no_touch_required && (flags & KEY_SK_USER_PRESENT) == 0) {
		downstream_log_refusal(s, "signed without a touch of the security key");
		return ERR_AUTH;
	}
	if (s->down.offered_options.verify_required && (flags & KEY_SK_USER_VERIFIED) == 0) {
		downstream_log_refusal(s, "signed without verification of the user");
		return ERR_AUTH;
	}
	return 0;
}
