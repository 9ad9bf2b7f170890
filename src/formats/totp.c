/*
 * Secrets of one-time passwords (TOTP): their sealed form, codes and recovery codes.  The keeper checks
 * codes with this, and `sallyport totp` makes secrets.
 *
 * liboath computes a code and nothing else: it opens no file and allocates nothing for that.  It leaves
 * what it computed with on the stack, which is wiped here.
 */
#include <string.h>

#include <liboath/oath.h>
#include <sodium.h>

#include "formats/totp.h"

/* More than liboath's frames take: two blocks, two hash states and a code. */
#define STACK_USED 4096
#define OFF_STEPS_MAX 130 /* an hour of steps of 30 seconds, some microseconds for each */

/* RFC 4648 section 6, and the same for recovery codes */
static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char base32_lower[] = "abcdefghijklmnopqrstuvwxyz234567";

static const struct {
	const char *name;
	oath_totp_flags flags;
} hashes[] = {
	[TOTP_SHA1] = { "SHA1", 0 },
	[TOTP_SHA256] = { "SHA256", OATH_TOTP_HMAC_SHA256 },
	[TOTP_SHA512] = { "SHA512", OATH_TOTP_HMAC_SHA512 },
};

#define N_HASHES (sizeof(hashes) / sizeof(hashes[0]))

const char *
totp_hash_name(enum totp_hash hash)
{
	return hashes[hash].name;
}

void
totp_new(struct totp *t)
{
	memset(t, 0, sizeof(*t));
	t->secret_len = 20; /* as RFC 4226 section 4 recommends */
	randombytes_buf(t->secret, t->secret_len);
	randombytes_buf(t->id, sizeof(t->id));
	t->digits = 6;
	t->step = 30;
	t->hash = TOTP_SHA1;
}

void
totp_put(struct buf *out, const struct totp *t)
{
	wire_put_text(out, hashes[t->hash].name);
	wire_put_u32(out, t->digits);
	wire_put_u32(out, t->step);
	wire_put_string(out, t->secret, t->secret_len);
	wire_put_string(out, t->id, sizeof(t->id));
	wire_put_string(out, t->recovery, t->n_recovery * TOTP_RECOVERY_SIZE);
}

static int
totp_get_hash(struct totp *t, struct bytes name)
{
	size_t i;

	for (i = 0; i < N_HASHES; i++) {
		if (!bytes_is(name, hashes[i].name))
			continue;
		t->hash = (enum totp_hash)i;
		return 1;
	}
	return 0;
}

int
totp_get(struct totp *t, struct bytes sealed)
{
	struct bytes hash, secret, id, recovery;
	struct wire w;

	memset(t, 0, sizeof(*t));
	wire_init(&w, sealed.p, sealed.len);
	hash = wire_string(&w);
	t->digits = wire_u32(&w);
	t->step = wire_u32(&w);
	secret = wire_string(&w);
	id = wire_string(&w);
	recovery = wire_string(&w);
	if (wire_end(&w) != 0 || !totp_get_hash(t, hash) || t->digits < TOTP_DIGITS_MIN ||
	    t->digits > TOTP_DIGITS_MAX || t->step == 0 || t->step > TOTP_STEP_MAX ||
	    secret.len < TOTP_SECRET_MIN || secret.len > TOTP_SECRET_MAX ||
	    id.len != TOTP_ID_SIZE || recovery.len > sizeof(t->recovery) ||
	    recovery.len % TOTP_RECOVERY_SIZE != 0) {
		memset(t, 0, sizeof(*t));
		return ERR_FORMAT;
	}
	memcpy(t->secret, secret.p, secret.len);
	t->secret_len = secret.len;
	memcpy(t->id, id.p, id.len);
	t->n_recovery = recovery.len / TOTP_RECOVERY_SIZE;
	if (recovery.len > 0)
		memcpy(t->recovery, recovery.p, recovery.len);
	return 0;
}

static char
totp_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Copy what a person typed without blanks and dashes, letters in upper case.  Its length, or one over
 * TOTP_CODE_MAX if it is too long. */
static size_t
totp_typed(const char *code, char out[TOTP_CODE_MAX + 1])
{
	size_t i, n = 0;

	memset(out, 0, TOTP_CODE_MAX + 1);
	for (i = 0; code[i] != '\0'; i++) {
		char c = code[i];

		if (i == TOTP_CODE_MAX)
			return TOTP_CODE_MAX + 1;
		if (c == ' ' || c == '\t' || c == '-')
			continue;
		out[n++] = totp_upper(c);
	}
	return n;
}

int
totp_code(const struct totp *t, int64_t step, char code[TOTP_DIGITS_MAX + 1])
{
	int r;

	memset(code, 0, TOTP_DIGITS_MAX + 1);
	if (step < 0 || step > INT64_MAX / TOTP_STEP_MAX)
		return ERR_BADSTATE;
	r = oath_totp_generate2((const char *)t->secret, t->secret_len,
	    (time_t)(step * (int64_t)t->step), t->step, 0, t->digits, (int)hashes[t->hash].flags,
	    code);
	sodium_stackzero(STACK_USED);
	return r == OATH_OK ? 0 : ERR_BADSTATE;
}

/* The latest of these steps that has the code, or -1. */
static int64_t
totp_find_step(const struct totp *t, const char *code, int64_t first, int64_t last)
{
	char typed[TOTP_CODE_MAX + 1], of_step[TOTP_DIGITS_MAX + 1];
	int64_t s, found = -1, is;
	int same_length = totp_typed(code, typed) == t->digits;

	for (s = first; s <= last; s++) {
		int r = totp_code(t, s, of_step);

		/* all bits or none, without a branch */
		is = -(int64_t)((sodium_memcmp(of_step, typed, TOTP_DIGITS_MAX) == 0) & (r == 0) &
		    same_length);
		found = (s & is) | (found & ~is);
	}
	sodium_memzero(of_step, sizeof(of_step));
	sodium_memzero(typed, sizeof(typed));
	return found;
}

int
totp_find_code(const struct totp *t, const char *code, time_t now, unsigned int skew, int64_t *step)
{
	const int64_t present = (int64_t)now / t->step;

	if (skew > TOTP_SKEW_MAX)
		skew = TOTP_SKEW_MAX;
	*step = totp_find_step(t, code, present - (int64_t)skew, present + (int64_t)skew);
	return *step >= 0 ? 0 : ERR_AUTH;
}

int64_t
totp_clock_off(const struct totp *t, const char *code, time_t now)
{
	const int64_t present = (int64_t)now / t->step;
	int64_t around = TOTP_OFF_MAX / t->step, step;

	if (around > OFF_STEPS_MAX)
		around = OFF_STEPS_MAX;
	step = totp_find_step(t, code, present - around, present + around);
	return step < 0 ? 0 : (step - present) * (int64_t)t->step;
}

void
totp_recovery_new(char text[TOTP_RECOVERY_TEXT_SIZE])
{
	uint8_t chance[12];
	size_t i, n = 0;

	randombytes_buf(chance, sizeof(chance));
	for (i = 0; i < sizeof(chance); i++) {
		if (i > 0 && i % 4 == 0)
			text[n++] = '-';
		text[n++] = base32_lower[chance[i] & 31];
	}
	text[n] = '\0';
	sodium_memzero(chance, sizeof(chance));
}

static void
totp_recovery_hash(const struct totp *t, const char *typed, size_t len,
    uint8_t hash[TOTP_RECOVERY_SIZE])
{
	(void)crypto_generichash(hash, TOTP_RECOVERY_SIZE, (const uint8_t *)typed, len, t->id,
	    sizeof(t->id));
	sodium_stackzero(STACK_USED);
}

int
totp_recovery_add(struct totp *t, const char *text)
{
	char typed[TOTP_CODE_MAX + 1];
	size_t len = totp_typed(text, typed);
	int r = 0;

	if (t->n_recovery == TOTP_RECOVERY_MAX)
		r = ERR_TOOBIG;
	else if (len != 12 || strspn(typed, base32) != len)
		r = ERR_FORMAT;
	else
		totp_recovery_hash(t, typed, len, t->recovery[t->n_recovery++]);
	sodium_memzero(typed, sizeof(typed));
	return r;
}

int
totp_find_recovery(const struct totp *t, const char *text, size_t *index)
{
	char typed[TOTP_CODE_MAX + 1];
	uint8_t hash[TOTP_RECOVERY_SIZE];
	size_t len = totp_typed(text, typed), i, found = TOTP_RECOVERY_MAX;

	/* what is too long has no hash of its own, and is no code */
	totp_recovery_hash(t, typed, len > TOTP_CODE_MAX ? 0 : len, hash);
	for (i = 0; i < t->n_recovery; i++)
		if (sodium_memcmp(hash, t->recovery[i], sizeof(hash)) == 0)
			found = i;
	sodium_memzero(typed, sizeof(typed));
	sodium_memzero(hash, sizeof(hash));
	*index = found;
	return found < t->n_recovery ? 0 : ERR_AUTH;
}

int
totp_secret_from_base32(struct totp *t, struct bytes text)
{
	uint32_t bits = 0;
	unsigned int n_bits = 0;
	size_t i, len = 0;
	int r = 0;

	while (text.len > 0 && text.p[text.len - 1] == '=')
		text.len--;
	for (i = 0; r == 0 && i < text.len; i++) {
		const char c = totp_upper((char)text.p[i]);
		const char *at = c == '\0' ? NULL : strchr(base32, c);

		if (c == ' ' || c == '-')
			continue;
		if (at == NULL) {
			r = ERR_FORMAT;
			break;
		}
		bits = (bits << 5 | (uint32_t)(at - base32)) & 0xfff;
		n_bits += 5;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		if (len == sizeof(t->secret))
			r = ERR_TOOBIG;
		else
			t->secret[len++] = (uint8_t)(bits >> n_bits);
	}
	if (r == 0 && len < TOTP_SECRET_MIN)
		r = ERR_FORMAT;
	t->secret_len = r == 0 ? len : 0;
	if (r != 0)
		sodium_memzero(t->secret, sizeof(t->secret));
	return r;
}

void
totp_secret_to_base32(const struct totp *t, char out[TOTP_BASE32_SIZE])
{
	uint32_t bits = 0;
	unsigned int n_bits = 0;
	size_t i, n = 0;

	for (i = 0; i < t->secret_len; i++) {
		bits = (bits << 8 | t->secret[i]) & 0xfff;
		for (n_bits += 8; n_bits >= 5; n_bits -= 5)
			out[n++] = base32[bits >> (n_bits - 5) & 31];
	}
	if (n_bits > 0)
		out[n++] = base32[bits << (5 - n_bits) & 31];
	out[n] = '\0';
}
