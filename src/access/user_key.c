/*
 * May this key log in by this route?  keeper/downstream_verify.c asks for each key that a client
 * offers or proves, and check whether the lists could be used.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/match.h"
#include "formats/authorized_options.h"
#include "formats/cert.h"
#include "formats/pubkey.h"
#include "access/user_key.h"
#include "access/key_list_cache.h"
#include "transport/keys.h"
#include "wire/algorithms.h"

#define NOT_REVOKED_KEYS                                                         \
	"is neither a list of public keys nor made by ssh-keygen -k: no key is " \
	"accepted"

int
user_key_ca_signed(const struct cert *cert)
{
	uint8_t flags;
	char alg[64];

	cert_signature_algorithm(cert, alg);
	return key_verify(cert->ca, alg, cert->signature, cert->covered.p, cert->covered.len,
		   &flags) == 0;
}

/* Note a reason; of several the first one stays. */
static void __attribute__((format(printf, 2, 3)))
user_key_tell(struct user_key_answer *answer, const char *fmt, ...)
{
	va_list ap;

	if (answer->why.text[0] != '\0')
		return;
	va_start(ap, fmt);
	reason_vset(&answer->why, fmt, ap);
	va_end(ap);
}

/* Note what a list says of the key.  1 if it lets the key in. */
static int
user_key_list_said(struct user_key_answer *answer, int found, const struct reason *why,
    const char *name)
{
	if (found == 1)
		snprintf(answer->where, sizeof(answer->where), "line %u of %.400s",
		    answer->options.line, name);
	else if (why->text[0] != '\0')
		user_key_tell(answer, "%.250s: %s", name, why->text);
	return found == 1;
}

/* Do the AuthorizedKey lines let the key in? */
static int
user_key_in_lines(const struct route *route, const struct authorized_request *request,
    struct user_key_answer *answer)
{
	struct buf text;
	struct reason why;
	size_t i;
	int ok;

	buf_init(&text, AUTHORIZED_KEYS_MAX);
	for (i = 0; i < route->authorized_keys.n; i++)
		buf_putf(&text, "%s\n", route->authorized_keys.v[i]);
	ok = buf_err(&text) == 0 && text.len > 0 &&
	    user_key_list_said(answer,
		authorized_keys_find((const char *)text.data, text.len, request, &answer->options,
		    &why),
		&why, "the AuthorizedKey lines");
	buf_free(&text);
	return ok;
}

/* Do they, or AuthorizedKeysFile? */
static int
user_key_in_lists(const struct route *route, const struct authorized_request *request,
    struct user_key_answer *answer)
{
	struct reason unread;
	struct reason why;
	int found;

	if (user_key_in_lines(route, request, answer))
		return 1;
	if (route->authorized_keys_file == NULL)
		return 0;
	found = key_list_cache_find(route, request, &answer->options, &why, &unread);
	if (found < 0) {
		user_key_tell(answer, "%s", unread.text);
		return 0;
	}
	return user_key_list_said(answer, found, &why, route->authorized_keys_file);
}

/* 1 if TrustedUserCAKeys has the certificate's CA. */
static int
user_key_ca_trusted(const struct route *route, const struct cert *cert,
    struct user_key_answer *answer)
{
	struct reason unread;
	int r;

	r = key_list_cache_trust(route, cert->ca, &unread);
	if (r < 0)
		user_key_tell(answer, "%s", unread.text);
	return r == 1;
}

static int
user_key_principal_ok(const struct route *route, const struct cert *cert, const char *login)
{
	size_t i;

	if (route->authorized_principals.n == 0)
		return cert_has_principal(cert, login);
	for (i = 0; i < route->authorized_principals.n; i++)
		if (cert_has_principal(cert, route->authorized_principals.v[i]))
			return 1;
	return 0;
}

static int
user_key_by_ca(const struct user_key_request *request, const struct cert *cert,
    struct user_key_answer *answer)
{
	const struct route *route = request->route;
	struct reason why;

	if (route->trusted_user_ca_keys == NULL || !user_key_ca_trusted(route, cert, answer))
		return 0;
	if (!user_key_principal_ok(route, cert, request->login)) {
		user_key_tell(answer, "%s",
		    cert->principals.len == 0 ?
			"the certificate has no principals" :
			route->authorized_principals.n == 0 ?
			"the login is not a principal of the certificate" :
			"none of AuthorizedPrincipals is a principal of the certificate");
		return 0;
	}
	if (!cert_options(cert, request->address, &answer->options, &why)) {
		user_key_tell(answer, "%s", why.text);
		return 0;
	}
	/* In sshd an option in the file of AuthorizedPrincipalsFile says so; our list has no
	 * options. */
	if (route->authorized_principals.n > 0)
		answer->options.no_touch_required = 0;
	snprintf(answer->where, sizeof(answer->where), "a CA in %.400s",
	    route->trusted_user_ca_keys);
	return 1;
}

/* As in sshd, a list that cannot be read or makes no sense refuses every key. */
static int
user_key_revoked(const struct route *route, struct bytes blob, const struct cert *cert,
    struct user_key_answer *answer)
{
	struct reason unread;
	int r;

	if (route->revoked_keys == NULL)
		return 0;
	answer->why.text[0] = '\0';
	r = key_list_cache_revoke(route, blob, cert, &unread);
	if (r == 1)
		user_key_tell(answer, "revoked by %.400s", route->revoked_keys);
	else if (r < 0 && unread.text[0] != '\0')
		user_key_tell(answer, "RevokedKeys: %s: no key is accepted", unread.text);
	else if (r < 0)
		user_key_tell(answer, "RevokedKeys: %.400s: " NOT_REVOKED_KEYS,
		    route->revoked_keys);
	return r != 0;
}

/* PubkeyAuthOptions: what the route demands beyond the line of the key and the certificate. */
static void
user_key_require(const struct route *route, struct authorized_options *options)
{
	if ((route->pubkey_auth & CONF_PUBKEY_TOUCH) != 0)
		options->no_touch_required = 0;
	if ((route->pubkey_auth & CONF_PUBKEY_VERIFY) != 0)
		options->verify_required = 1;
}

int
user_key_allowed(const struct user_key_request *request, struct bytes blob,
    struct user_key_answer *answer)
{
	const struct route *route = request->route;
	struct authorized_request key = { .blob = blob,
		.address = request->address,
		.login = request->login,
		.now = request->now };
	struct bytes numbers;
	const char *type;
	struct cert cert;
	int is_cert, signed_ok, ok, r;

	*answer = (struct user_key_answer){ 0 };
	is_cert = cert_key(blob, &type, &numbers) != ERR_ALGORITHM;
	r = is_cert ? cert_parse(&cert, blob) : pubkey_check(blob);
	if (r == ERR_WEAK || r == ERR_COSTLY) {
		user_key_tell(answer, "%s%s", err_str(r),
		    is_cert ? " (that of the certificate or of its CA)" : "");
		return 0;
	}
	if (is_cert && r != 0) {
		user_key_tell(answer, "the certificate is %s",
		    r == ERR_ALGORITHM ? "signed with an algorithm that is not accepted" :
					 "malformed, or too large");
		return 0;
	}
	/* for unknown logins, too, so that the time does not tell them from others */
	signed_ok = is_cert && user_key_ca_signed(&cert);
	if (route == NULL)
		return 0;
	if (is_cert)
		key.cert = &cert;
	ok = (is_cert && user_key_by_ca(request, &cert, answer)) ||
	    user_key_in_lists(route, &key, answer);
	if (ok && is_cert && !signed_ok) {
		answer->why.text[0] = '\0';
		user_key_tell(answer, "the certificate's signature is not by its CA");
		ok = 0;
	}
	if (ok && is_cert) {
		answer->why.text[0] = '\0';
		ok = cert_valid(&cert, CERT_USER, request->now, &answer->why);
	}
	if (ok)
		ok = !user_key_revoked(route, blob, is_cert ? &cert : NULL, answer);
	if (ok) {
		answer->why.text[0] = '\0';
		user_key_require(route, &answer->options);
	} else {
		authorized_options_free(&answer->options);
	}
	return ok;
}

const char *
user_key_algorithms(const struct route *route, const struct conf *conf)
{
	if (route->pubkey_accepted_algorithms != NULL)
		return route->pubkey_accepted_algorithms;
	if (conf->gateway.pubkey_accepted_algorithms != NULL)
		return conf->gateway.pubkey_accepted_algorithms;
	return algorithms_default(ALGORITHMS_USER_KEY);
}

int
user_key_type_accepted(const char *type, const char *algorithms)
{
	struct bytes rest = { (const uint8_t *)algorithms, strlen(algorithms) }, name;
	char alg[64];
	int negated;

	while (match_list_next(&rest, &name, &negated)) {
		snprintf(alg, sizeof(alg), "%.*s", (int)name.len, (const char *)name.p);
		if (pubkey_algorithm_ok(type, alg) || cert_algorithm(type, alg) != NULL)
			return 1;
	}
	return 0;
}

int
user_key_listed(const struct lookup_request *request, const struct route *route)
{
	const struct user_key_request by = { .route = route,
		.login = request->login,
		.address = request->client_address,
		.now = time(NULL) };
	struct authorized_request key = { .blob = request->key,
		.address = by.address,
		.login = by.login,
		.now = by.now };
	struct user_key_answer answer = { 0 };
	struct bytes numbers;
	const char *type;
	struct cert cert;
	int is_cert, ok;

	is_cert = cert_key(request->key, &type, &numbers) != ERR_ALGORITHM;
	if ((is_cert ? cert_parse(&cert, request->key) : pubkey_check(request->key)) != 0)
		return 0;
	if (is_cert)
		key.cert = &cert;
	ok = (is_cert && user_key_by_ca(&by, &cert, &answer)) ||
	    user_key_in_lists(route, &key, &answer);
	authorized_options_free(&answer.options);
	return ok;
}

int
user_key_list_check(const struct route *r, enum user_key_list list, struct reason *why)
{
	/* which key is looked for does not matter: only whether the list gives an answer */
	const struct bytes none = { (const uint8_t *)"", 0 };
	const struct authorized_request request = { .blob = none,
		.address = "0.0.0.0",
		.login = "",
		.now = time(NULL) };
	struct authorized_options options;
	struct reason said;
	int found = 0;

	switch (list) {
	case USER_KEY_AUTHORIZED:
		found = key_list_cache_find(r, &request, &options, &said, why);
		authorized_options_free(&options);
		break;
	case USER_KEY_TRUSTED:
		found = key_list_cache_trust(r, none, why);
		break;
	case USER_KEY_REVOKED:
		found = key_list_cache_revoke(r, none, NULL, why);
		if (found < 0 && why->text[0] == '\0') {
			reason_set(why, "%.400s " NOT_REVOKED_KEYS, r->revoked_keys);
			found = ERR_FORMAT;
		}
		break;
	}
	return found < 0 ? found : 0;
}
