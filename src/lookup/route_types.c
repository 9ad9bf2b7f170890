/*
 * Parsing and checking the values of [route] keys (route_types.h).  Used by route_table in route.c.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/names.h"
#include "formats/tunnel_name.h"
#include "lookup/lookup.h"
#include "lookup/program.h"
#include "lookup/route_types.h"
#include "lookup/percent.h"
#include "wire/algorithms.h"
#include "wire/methods.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* Methods in one list of AuthenticationMethods: more keys than a user has, and few enough to count
 * (auth/auth_methods.h). */
#define ROUTE_METHODS_MAX 16

/* --- types --- */

/* Check a value that is expanded later, with "x" for the login and for each *. */
static int
route_template_try(const struct keyword *kw, const char *value, int as_path,
    struct keyword_ctx *ctx)
{
	struct wildcard_match match = { .login = "x", .host = "x" };
	const char *bad;
	char *filled;
	int err;

	if (percent_check(value, ctx->captures, &bad) != 0)
		return keyword_bad(&ctx->why, "\"%.80s\": %s", value, bad);
	for (; match.n < WILDCARD_CAPTURES; match.n++) {
		match.captures[match.n].text = "x";
		match.captures[match.n].len = 1;
	}
	err = percent_expand(value, &match, as_path, &filled);
	if (err == 0 && kw->check != NULL)
		err = kw->check(filled, &ctx->why);
	free(filled);
	return err;
}

static int
route_set_template(const struct keyword *kw, void *field, const char *value,
    struct keyword_ctx *ctx)
{
	int err = route_template_try(kw, value, 0, ctx);

	return err != 0 ? err : keyword_string.set(&(struct keyword){ 0 }, field, value, ctx);
}

static int
route_set_template_words(const struct keyword *kw, void *field, const char *value,
    struct keyword_ctx *ctx)
{
	struct strlist words = { 0 };
	size_t i;
	int err;

	err = strlist_add_words(&words, value);
	for (i = 0; err == 0 && i < words.n; i++)
		err = route_template_try(kw, words.v[i], 0, ctx);
	strlist_free(&words);
	return err != 0 ? err : keyword_words.set(&(struct keyword){ 0 }, field, value, ctx);
}

/* A % in the directory that relative paths begin at is not expanded: it is doubled. */
static int
route_set_template_path(const struct keyword *kw, void *field, const char *value,
    struct keyword_ctx *ctx)
{
	struct conf quoted = { 0 };
	char **p = field;
	int err;

	err = keyword_check_path(value, &ctx->why);
	if (err == 0)
		err = route_template_try(kw, value, 1, ctx);
	if (err != 0)
		return err;
	quoted.base = percent_quote(ctx->conf->base);
	if (quoted.base != NULL)
		*p = conf_path(&quoted, value);
	free(quoted.base);
	return *p == NULL ? ERR_NOMEM : 0;
}

static void
route_print_text(const struct keyword *kw, const void *field, FILE *to)
{
	keyword_string.print(kw, field, to);
}

static void
route_print_words(const struct keyword *kw, const void *field, FILE *to)
{
	keyword_words.print(kw, field, to);
}

static void
route_clear_text(void *field)
{
	keyword_string.clear(field);
}

static void
route_clear_words(void *field)
{
	keyword_words.clear(field);
}

const struct keyword_type route_template = { route_set_template, route_print_text,
	route_clear_text };
const struct keyword_type route_template_words = { route_set_template_words, route_print_words,
	route_clear_words };
const struct keyword_type route_template_path = { route_set_template_path, route_print_text,
	route_clear_text };

static int
route_set_factor(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	const size_t len = strlen(ROUTE_FACTOR_EXEC);
	char **factor = field, *command;
	int err;

	if (strncmp(value, ROUTE_FACTOR_EXEC, len) != 0 || value[len] == ' ' || value[len] == '\0')
		return keyword_bad(&ctx->why, "\"%.80s\" is not " ROUTE_FACTOR_EXEC "PROGRAM",
		    value);
	/* programs are told the login */
	if (percent_has(value))
		return keyword_bad(&ctx->why,
		    "\"%.80s\": %%u and %%1 cannot be used in this keyword", value);
	err = program_resolve(ctx->conf, value + len, &command, &ctx->why);
	if (err != 0)
		return err;
	if (asprintf(factor, ROUTE_FACTOR_EXEC "%s", command) == -1) {
		*factor = NULL;
		err = ERR_NOMEM;
	}
	free(command);
	return err;
}

const struct keyword_type route_factor = { route_set_factor, route_print_text, route_clear_text };

const char *
route_factor_command(const struct route *r)
{
	return r->factor + strlen(ROUTE_FACTOR_EXEC);
}

/* The user's key algorithms of [gateway] stand for the default, and are the limit. */
static int
route_set_narrowed(const struct keyword *kw, void *field, const char *value,
    struct keyword_ctx *ctx)
{
	const char *limit = ctx->conf->gateway.pubkey_accepted_algorithms;

	if (limit == NULL)
		limit = algorithms_default(ALGORITHMS_USER_KEY);
	return keyword_expand_algorithms(ALGORITHMS_USER_KEY, value, limit, field, &ctx->why);
}

const struct keyword_type route_user_key_algorithms = { route_set_narrowed, route_print_text,
	route_clear_text };

/* --- checks --- */

/* "fe80::1" or "fe80::1%eth0" */
static int
route_host_is_ipv6(const char *host)
{
	char plain[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	size_t len = strcspn(host, "%");

	if (len >= sizeof(plain))
		return 0;
	memcpy(plain, host, len);
	plain[len] = '\0';
	if (inet_pton(AF_INET6, plain, &addr) != 1)
		return 0;
	host += len;
	return *host == '\0' ||
	    (host[1] != '\0' && strspn(host + 1, LETTERS DIGITS "._-") == strlen(host + 1));
}

int
route_check_host(const char *host, struct reason *why)
{
	const char *tunnel = tunnel_name_of_host(host);
	char name[TUNNEL_NAME_SIZE];
	size_t len = strlen(host);

	if (tunnel != NULL) {
		if (tunnel_name_set(tunnel, name) == 0)
			return 0;
		return keyword_bad(why,
		    "\"%.80s\": the name of a tunnel has up to 63 of a-z 0-9 . _ -, with a letter "
		    "or digit at both ends",
		    host);
	}
	if (host[0] == '[')
		return keyword_bad(why,
		    "\"%.80s\": brackets are not needed here; write the port into Port", host);
	if (strchr(host, '@') != NULL)
		return keyword_bad(why, "\"%.80s\": the user goes into User", host);
	if (strchr(host, ':') != NULL) {
		if (route_host_is_ipv6(host))
			return 0;
		return keyword_bad(why, "\"%.80s\" is not an IPv6 address; a port goes into Port",
		    host);
	}
	if (len < 1 || len > 253 || host[0] == '-' || host[0] == '.' ||
	    strspn(host, LETTERS DIGITS "._-") != len)
		return keyword_bad(why, "\"%.80s\" is not a host name or address", host);
	return 0;
}

int
route_check_user(const char *user, struct reason *why)
{
	if (login_name_ok(user, strlen(user)))
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" can't be a user: up to 255 bytes of printable text, no /, no leading -",
	    user);
}

int
route_check_fingerprint(const char *text, struct reason *why)
{
	if (strncmp(text, "SHA256:", 7) == 0 && strlen(text + 7) == 43 &&
	    strspn(text + 7, LETTERS DIGITS "+/") == 43)
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" is not SHA256: and 43 characters, as ssh-keygen -l prints it", text);
}

int
route_check_authorized_key(const char *line, struct reason *why)
{
	if (strstr(line, " AAAA") != NULL || strstr(line, "\tAAAA") != NULL)
		return 0;
	return keyword_bad(why,
	    "\"%.60s\" is not a line of authorized_keys: [OPTIONS] TYPE BASE64 [COMMENT]; to "
	    "name a file, use AuthorizedKeysFile",
	    line);
}

/*
 * "$argon2id$v=19$m=65536,t=2,p=1$SALT$HASH": what crypto_pwhash_str() makes, with
 * bounds to the memory (1 GiB) and time that each attempt costs.
 */
int
route_check_password_hash(const char *hash, struct reason *why)
{
	unsigned int m = 0, t = 0, p = 0;
	int at = -1;
	size_t salt, sum;

	/* the value is not repeated in the message, because a hash is half a secret */
	if (strlen(hash) >= 128 ||
	    sscanf(hash, "$argon2id$v=19$m=%9u,t=%9u,p=%9u$%n", &m, &t, &p, &at) != 3 || at == -1)
		return keyword_bad(why, "not what `sallyport hash-password` prints");
	salt = strspn(hash + at, LETTERS DIGITS "+/");
	sum = hash[at + salt] == '$' ? strspn(hash + at + salt + 1, LETTERS DIGITS "+/") : 0;
	if (salt < 11 || sum < 22 || hash[at + salt + 1 + sum] != '\0')
		return keyword_bad(why, "not what `sallyport hash-password` prints");
	if (m < 8 || m > 1024 * 1024 || t < 1 || t > 16 || p < 1 || p > 8)
		return keyword_bad(why,
		    "its cost is too high or too low: at most m=1048576 (1 GiB), t=16");
	return 0;
}

int
route_check_methods(const char *list, struct reason *why)
{
	const struct login_method *m;
	unsigned int seen = 0, bit, n = 0;
	const char *p = list;
	size_t len;

	do {
		len = strcspn(p, ",");
		for (bit = 0, m = login_methods; m->name != NULL; m++)
			if ((m->flags & METHOD_ROUTE) && strlen(m->name) == len &&
			    strncmp(p, m->name, len) == 0)
				bit = 1U << (m - login_methods);
		if (bit == 0)
			return keyword_bad(why,
			    "\"%.80s\" is not a list of publickey, password, keyboard-interactive, "
			    "keyboard-interactive:totp, keyboard-interactive:factor: METHOD,METHOD",
			    list);
		if (strcmp(list, METHOD_NONE) != 0 && len == strlen(METHOD_NONE) &&
		    strncmp(p, METHOD_NONE, len) == 0)
			return keyword_bad(why, "\"%.80s\": none stands alone", list);
		/* another key is another proof, and the same password is not */
		if ((seen & bit) != 0 &&
		    (len != strlen(METHOD_PUBLICKEY) || strncmp(p, METHOD_PUBLICKEY, len) != 0))
			return keyword_bad(why, "\"%.80s\" has a method twice", list);
		if (++n > ROUTE_METHODS_MAX)
			return keyword_bad(why, "\"%.80s\" has more than %d methods", list,
			    ROUTE_METHODS_MAX);
		seen |= bit;
		p += len;
	} while (*p++ == ',');
	return 0;
}

/* Any word but this one can be the name of a subsystem. */
int
route_check_command(const char *word, struct reason *why)
{
	if (strcasecmp(word, "any") != 0)
		return 0;
	return keyword_bad(why, "leave PermitCommands out: without it, anything may be run");
}

int
route_check_no_holes(const char *path, struct reason *why)
{
	if (!percent_has(path))
		return 0;
	return keyword_bad(why, "\"%.80s\": %%u and %%1 cannot be used in this keyword", path);
}
