/*
 * The secret of a time-based one-time password (TOTP, RFC 6238), as the key store seals it: reading and
 * writing it, and looking for a typed code.  The codes themselves are computed by liboath.
 */
#ifndef FORMATS_TOTP_H
#define FORMATS_TOTP_H

#include <stdint.h>
#include <time.h>

#include "wire/wire.h"

#define TOTP_SECRET_MIN \
	10 /* bytes: what Google's authenticator made first, and sshpiper's files have */
#define TOTP_SECRET_MAX 64 /* the block of SHA-1 and SHA-256: more adds nothing (RFC 2104) */
#define TOTP_ID_SIZE 16
#define TOTP_RECOVERY_MAX 16
#define TOTP_RECOVERY_SIZE 16 /* of a hash */
#define TOTP_DIGITS_MIN 6
#define TOTP_DIGITS_MAX 8 /* as many as liboath computes */
#define TOTP_STEP_MAX 300 /* seconds; a longer step gives an onlooker minutes */
#define TOTP_SKEW_MAX 10  /* steps before and after the present one */
#define TOTP_CODE_MAX 64  /* bytes that a person types, blanks included; a longer code is wrong */
#define TOTP_SEALED_MAX 1024 /* bytes of totp_put() */

enum totp_hash {
	TOTP_SHA1,
	TOTP_SHA256,
	TOTP_SHA512
};

/* Wipe it after use, with sodium_memzero(). */
struct totp {
	uint8_t secret[TOTP_SECRET_MAX];
	size_t secret_len;
	uint8_t id[TOTP_ID_SIZE]; /* random, of this enrolment */
	unsigned int digits;
	unsigned int step; /* seconds */
	enum totp_hash hash;
	size_t n_recovery;
	uint8_t recovery[TOTP_RECOVERY_MAX][TOTP_RECOVERY_SIZE]; /* hashes of recovery codes */
};

/* A new secret of 20 bytes with a new id, 6 digits, 30 seconds and SHA-1, which every authenticator can do.
 * It has no recovery codes. */
void totp_new(struct totp *t);

/* Append what is sealed (doc/PROTOCOL.store, section 3). */
void totp_put(struct buf *out, const struct totp *t);

/* Read it: 0, or ERR_FORMAT with *t all zero. */
int totp_get(struct totp *t, struct bytes sealed) MUST_CHECK;

/* The name in otpauth URIs: "SHA1", "SHA256" or "SHA512". */
const char *totp_hash_name(enum totp_hash hash);

/*
 * Look for a code, as a person typed it (blanks and dashes do not count), among those of the skew steps
 * before and after now and of the present one.  0, with the latest step that has the code: seconds of Unix
 * time / t->step.  ERR_AUTH: it is none of them.  All codes are computed and compared whatever was typed: the
 * time that this takes tells no more than the length of what was typed.
 */
int totp_find_code(const struct totp *t, const char *code, time_t now, unsigned int skew,
    int64_t *step) MUST_CHECK;

/* How far a clock may be off so that the log says it: an hour, as after a change to summer time, and what is set by
 * hand wrongly. */
#define TOTP_OFF_MAX 3900 /* seconds */

/* A code that is wrong now: how many seconds later (less than 0: earlier) it is right, 0: not within TOTP_OFF_MAX. */
int64_t totp_clock_off(const struct totp *t, const char *code, time_t now);

/* The code of a step, with its NUL.  0 or ERR_BADSTATE. */
int totp_code(const struct totp *t, int64_t step, char code[TOTP_DIGITS_MAX + 1]) MUST_CHECK;

/* Recovery codes: 12 characters of a-z and 2-7 (60 bits), in groups of four. */
#define TOTP_RECOVERY_TEXT_SIZE 15
void totp_recovery_new(char text[TOTP_RECOVERY_TEXT_SIZE]);

/* Add the hash of a recovery code: BLAKE2b-128 of the code, keyed with the id.  ERR_FORMAT: it is not one, by
 * its form; ERR_TOOBIG: there are TOTP_RECOVERY_MAX. */
int totp_recovery_add(struct totp *t, const char *text) MUST_CHECK;

/* Look for a recovery code as a person typed it: case, blanks and dashes do not count.  0 with its index, or
 * ERR_AUTH.  The time does not depend on the codes. */
int totp_find_recovery(const struct totp *t, const char *text, size_t *index) MUST_CHECK;

/* A secret as people pass it on: base32 of RFC 4648, where case, blanks, dashes and = at the end do not count.
 * Into t->secret; ERR_FORMAT or ERR_TOOBIG. */
int totp_secret_from_base32(struct totp *t, struct bytes text) MUST_CHECK;
/* With its NUL. */
#define TOTP_BASE32_SIZE (TOTP_SECRET_MAX * 8 / 5 + 2)
void totp_secret_to_base32(const struct totp *t, char out[TOTP_BASE32_SIZE]);

#endif
