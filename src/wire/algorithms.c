/*
 * The algorithms of SSH that the gateway supports.  Called for the keywords KexAlgorithms, Ciphers
 * ... of [gateway] (conf) and of routes (lookup), for the known_hosts of an upstream
 * (access/host_key.c), for users' keys (keeper), and by transport for the defaults.
 */
#include <stdio.h>
#include <string.h>

#include "wire/algorithms.h"
#include "base/guess.h"
#include "base/match.h"

/* The longest name, "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", has 43 bytes. */
#define ALGORITHMS_NAME_SIZE 64

/* Pieces of the lists below. */
#define ALGORITHMS_CERTIFICATES                                                      \
	"ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com," \
	"ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,"
#define ALGORITHMS_RSA_CERTIFICATES \
	"rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,"
#define ALGORITHMS_KEYS "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"

#define ALGORITHMS_KEX_HYBRID                                                              \
	"mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com," \
	"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"

static const struct {
	const char *what;
	const char *preferred;
	const char *optional;
	int patterns; /* OpenSSH takes them in all lists of this kind */
} algorithms_table[ALGORITHMS_KINDS] = {
	/* no group exchange, which takes another round trip; group 18 takes 20 ms and more */
	[ALGORITHMS_KEX] = { "key exchange",
	    ALGORITHMS_KEX_HYBRID
	    "ecdh-sha2-nistp521,diffie-hellman-group16-sha512,diffie-hellman-group14-sha256",
	    "diffie-hellman-group18-sha512,diffie-hellman-group-exchange-sha256,"
	    "diffie-hellman-group14-sha1,diffie-hellman-group1-sha1",
	    0 },
	/* as sshd 10.0 and later, which has no Diffie-Hellman in finite fields by default */
	[ALGORITHMS_SERVER_KEX] = { "key exchange", ALGORITHMS_KEX_HYBRID "ecdh-sha2-nistp521",
	    "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
	    "diffie-hellman-group14-sha256,diffie-hellman-group14-sha1,"
	    "diffie-hellman-group1-sha1",
	    0 },
	/* certificates are asked for only if the route has an authority for the host */
	[ALGORITHMS_HOST_KEY] = { "host key algorithm",
	    ALGORITHMS_CERTIFICATES ALGORITHMS_RSA_CERTIFICATES ALGORITHMS_KEYS
	    "rsa-sha2-512,rsa-sha2-256",
	    "ssh-rsa", 1 },
	[ALGORITHMS_SERVER_HOST_KEY] = { "host key algorithm",
	    ALGORITHMS_CERTIFICATES ALGORITHMS_RSA_CERTIFICATES ALGORITHMS_KEYS
	    "rsa-sha2-512,rsa-sha2-256",
	    "", 1 },
	[ALGORITHMS_USER_KEY] = { "public key algorithm",
	    ALGORITHMS_CERTIFICATES
	    "sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com," ALGORITHMS_RSA_CERTIFICATES
		ALGORITHMS_KEYS "sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,"
	    "rsa-sha2-512,rsa-sha2-256",
	    "", 1 },
	/* AES-GCM first: towards the upstream the gateway is the client, whose order decides, and
	 * with AES instructions nothing is faster */
	[ALGORITHMS_CIPHER] = { "cipher",
	    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"
	    "aes128-ctr,aes192-ctr,aes256-ctr",
	    "aes128-cbc,aes192-cbc,aes256-cbc,3des-cbc", 0 },
	[ALGORITHMS_MAC] = { "MAC",
	    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,"
	    "hmac-sha2-512",
	    "hmac-sha1-etm@openssh.com,hmac-sha1", 0 },
};

#define ALGORITHMS_SHA1 "SHA-1 is not supported here; RSA keys sign with rsa-sha2-512 and -256"

#define ALGORITHMS_DSA "DSA is not supported"

/* Names that OpenSSH knows and that are not supported: patterns, and why. */
static const struct {
	enum algorithms kind;
	const char *pattern;
	const char *why;
} algorithms_missing[] = {
	{ ALGORITHMS_MAC, "umac-*",
	    "libssh, which the gateway is built on, does not have it; every OpenSSH since 5.9 has "
	    "hmac-sha2-256" },
	{ ALGORITHMS_SERVER_KEX, "diffie-hellman-group-exchange-*",
	    "towards clients it would have to read the file of moduli, which the sandbox forbids; "
	    "sha256 can be named in a [route], for an upstream" },
	{ ALGORITHMS_KEX, "diffie-hellman-group-exchange-sha1",
	    "not supported; diffie-hellman-group-exchange-sha256 is" },
	{ ALGORITHMS_SERVER_HOST_KEY, "ssh-rsa*", ALGORITHMS_SHA1 },
	{ ALGORITHMS_USER_KEY, "ssh-rsa*", ALGORITHMS_SHA1 },
	{ ALGORITHMS_HOST_KEY, "ssh-dss*", ALGORITHMS_DSA },
	{ ALGORITHMS_SERVER_HOST_KEY, "ssh-dss*", ALGORITHMS_DSA },
	{ ALGORITHMS_USER_KEY, "ssh-dss*", ALGORITHMS_DSA },
};

const char *
algorithms_default(enum algorithms kind)
{
	return algorithms_table[kind].preferred;
}

const char *
algorithms_optional(enum algorithms kind)
{
	return algorithms_table[kind].optional;
}

/* Take the next name off the list; 0 at its end. */
static int
algorithms_next(const char **list, const char **name, size_t *len)
{
	if (**list == '\0')
		return 0;
	*name = *list;
	*len = strcspn(*name, ",");
	*list += *len + ((*name)[*len] == ',');
	return 1;
}

static int
algorithms_match(const char *name, size_t len, const char *pattern, size_t pattern_len)
{
	return match_pattern((struct bytes){ (const uint8_t *)name, len },
	    (struct bytes){ (const uint8_t *)pattern, pattern_len }, MATCH_CASE);
}

/* 1 if a name or a pattern of the list matches. */
static int
algorithms_has(const char *list, const char *name, size_t len)
{
	const char *p;
	size_t n;

	while (algorithms_next(&list, &p, &n))
		if (algorithms_match(name, len, p, n))
			return 1;
	return 0;
}

int
algorithms_named(const char *list, const char *name)
{
	return algorithms_has(list, name, strlen(name));
}

/* Append one name, unless it is in out from start on already. */
static void
algorithms_add_name(struct buf *out, size_t start, const char *name, size_t len)
{
	buf_put_u8(out, '\0');
	if (buf_err(out) != 0)
		return;
	out->len--;
	if (!algorithms_has((const char *)out->data + start, name, len))
		buf_putf(out, "%s%.*s", out->len > start ? "," : "", (int)len, name);
}

/* Append the names of list that match nothing in without. */
static void
algorithms_add(struct buf *out, size_t start, const char *list, const char *without)
{
	const char *name;
	size_t len;

	while (algorithms_next(&list, &name, &len))
		if (!algorithms_has(without, name, len))
			algorithms_add_name(out, start, name, len);
}

/* Append the names of all that match the pattern.  1 if there is one. */
static int
algorithms_add_matching(struct buf *out, size_t start, const char *all, const char *pattern,
    size_t pattern_len)
{
	const char *name;
	size_t len;
	int found = 0;

	while (algorithms_next(&all, &name, &len)) {
		if (!algorithms_match(name, len, pattern, pattern_len))
			continue;
		algorithms_add_name(out, start, name, len);
		found = 1;
	}
	return found;
}

/* The reason why an algorithm of OpenSSH is not supported, or NULL. */
static const char *
algorithms_missing_why(enum algorithms kind, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(algorithms_missing) / sizeof(algorithms_missing[0]); i++)
		if (algorithms_missing[i].kind == kind &&
		    algorithms_has(algorithms_missing[i].pattern, name, len))
			return algorithms_missing[i].why;
	return NULL;
}

/* Find the name of a list that is closest to word. */
static void
algorithms_guess(const char *list, const char *word, unsigned int *best,
    char guess[ALGORITHMS_NAME_SIZE])
{
	char name[ALGORITHMS_NAME_SIZE];
	const char *p;
	size_t len;

	while (algorithms_next(&list, &p, &len)) {
		snprintf(name, sizeof(name), "%.*s", (int)len, p);
		if (guess_closer(word, name, best))
			memcpy(guess, name, sizeof(name));
	}
}

static int
algorithms_unknown(enum algorithms kind, const char *name, size_t len, const char *within,
    struct reason *why)
{
	const char *missing = algorithms_missing_why(kind, name, len);
	char word[81], guess[ALGORITHMS_NAME_SIZE] = "";
	unsigned int best = GUESS_START;

	snprintf(word, sizeof(word), "%.*s", (int)(len < 80 ? len : 80), name);
	algorithms_guess(within != NULL ? within : algorithms_table[kind].preferred, word, &best,
	    guess);
	if (within == NULL)
		algorithms_guess(algorithms_table[kind].optional, word, &best, guess);
	if (missing != NULL)
		reason_set(why, "\"%s\": %s", word, missing);
	else if (within != NULL && algorithms_has(algorithms_table[kind].preferred, name, len))
		reason_set(why,
		    "\"%s\" is not in the list of [gateway], outside of which a route "
		    "cannot go",
		    word);
	else
		reason_set(why, "\"%s\" is no %s that is supported%s%s%s", word,
		    algorithms_table[kind].what, guess[0] != '\0' ? " (did you mean " : "", guess,
		    guess[0] != '\0' ? "?)" : "");
	return ERR_FORMAT;
}

static int
algorithms_is_pattern(const char *name, size_t len)
{
	return memchr(name, '*', len) != NULL || memchr(name, '?', len) != NULL;
}

/* Check the names behind a '-': a mistyped one would leave in what it is to take out. */
static int
algorithms_check_removed(enum algorithms kind, const char *names, const char *within,
    struct reason *why)
{
	const char *name;
	size_t len;

	while (algorithms_next(&names, &name, &len))
		if (!algorithms_is_pattern(name, len) &&
		    !algorithms_has(algorithms_table[kind].preferred, name, len) &&
		    !algorithms_has(algorithms_table[kind].optional, name, len) &&
		    algorithms_missing_why(kind, name, len) == NULL)
			return algorithms_unknown(kind, name, len, within, why);
	return 0;
}

int
algorithms_expand(enum algorithms kind, const char *list, const char *within, struct buf *out,
    struct reason *why)
{
	const char *preferred = within != NULL ? within : algorithms_table[kind].preferred;
	const char *optional = within != NULL ? "" : algorithms_table[kind].optional;
	char how = list[0] != '\0' && strchr("+-^", list[0]) != NULL ? list[0] : '\0';
	const char *names = how != '\0' ? list + 1 : list, *name;
	size_t start = out->len, len;
	int found;

	if (how == '-' && algorithms_check_removed(kind, names, within, why) != 0)
		return ERR_FORMAT;
	if (how == '+')
		algorithms_add(out, start, preferred, "");
	if (how == '-')
		algorithms_add(out, start, preferred, names);
	while (how != '-' && algorithms_next(&names, &name, &len)) {
		found = 0;
		if (algorithms_table[kind].patterns || !algorithms_is_pattern(name, len)) {
			found = algorithms_add_matching(out, start, preferred, name, len);
			found |= algorithms_add_matching(out, start, optional, name, len);
		}
		if (!found)
			return algorithms_unknown(kind, name, len, within, why);
	}
	if (how == '^')
		algorithms_add(out, start, preferred, "");
	if (buf_err(out) == 0 && out->len == start) {
		reason_set(why, "that leaves no %s", algorithms_table[kind].what);
		return ERR_FORMAT;
	}
	return buf_err(out);
}

void
algorithms_filter(const char *list, const char *within, struct buf *out)
{
	size_t start = out->len, len;
	const char *name;

	while (algorithms_next(&list, &name, &len))
		if (algorithms_has(within, name, len))
			algorithms_add_name(out, start, name, len);
}

void
algorithms_signatures(const char *list, struct buf *out)
{
	static const char cert[] = "-cert-v01@openssh.com";
	char plain[ALGORITHMS_NAME_SIZE];
	size_t start = out->len, len;
	const char *name, *at;

	while (algorithms_next(&list, &name, &len)) {
		snprintf(plain, sizeof(plain), "%.*s", (int)len, name);
		at = strstr(plain, cert);
		if (at != NULL)
			snprintf(plain, sizeof(plain), "%.*s%s", (int)(at - plain), name,
			    strncmp(name, "sk-", 3) == 0 ? "@openssh.com" : "");
		algorithms_add_name(out, start, plain, strlen(plain));
	}
}
