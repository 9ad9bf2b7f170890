/*
 * The state of one TOTP secret (state/state.h, kind "totp"): the codes that are used up, the number of wrong
 * ones, the end of a lock, and the logins that need no code for a time.  Records are texts, and the time is an
 * argument.
 */
#ifndef ACCESS_TOTP_RECORD_H
#define ACCESS_TOTP_RECORD_H

#include <stdint.h>

#include "formats/totp.h"

#define TOTP_RECORD_KIND "totp"
#define TOTP_RECORD_MAX 8192 /* bytes of text: twice what the longest has */

/* Wrong codes in a row until the secret is locked: a person mistypes a few.  In the long run an attacker has
 * five guesses an hour, each right with a chance of 3 in a million at six digits and TotpSkew = 1. */
#define TOTP_RECORD_WRONG_MAX 5
#define TOTP_RECORD_LOCK_MIN \
	300 /* seconds, doubled for each lock that follows without a right code */
#define TOTP_RECORD_LOCK_MAX 3600 /* seconds */
#define TOTP_RECORD_REMEMBERED_MAX 32
#define TOTP_RECORD_ADDRESS_SIZE 64 /* of a numeric address, with a NUL */
#define TOTP_RECORD_PROOF_SIZE 16

/* Times are seconds since 1970. */
struct totp_record {
	uint8_t id[TOTP_ID_SIZE]; /* of the enrolment that all this is about */
	int64_t step;		  /* the last one whose code was accepted; -1: none was */
	int64_t used_at;	  /* when a code or recovery code was accepted last; 0: never */
	unsigned int recovery;	  /* a bit for each recovery code that is used up */
	unsigned int wrong;	  /* codes in a row */
	unsigned int locks;	  /* in a row */
	int64_t locked_at, locked_for; /* locked_for is 0: it is not locked */
	size_t n;
	struct totp_remembered {
		int64_t since;
		char address[TOTP_RECORD_ADDRESS_SIZE];
		uint8_t proof[TOTP_RECORD_PROOF_SIZE];
	} remembered[TOTP_RECORD_REMEMBERED_MAX];
};

/* Read the lines of a record; those of another enrolment than id, and none at all, are a new one.  0, or ERR_FORMAT:
 * it is damaged, or of a later version. */
int totp_record_get(struct totp_record *r, struct bytes text,
    const uint8_t id[TOTP_ID_SIZE]) MUST_CHECK;
void totp_record_put(struct buf *out, const struct totp_record *r);

/* The end of the lock by the clock that says now; 0: the secret is not locked. */
int64_t totp_record_locked(const struct totp_record *r, int64_t now);

/* How many recovery codes are left. */
unsigned int totp_record_recovery_left(const struct totp_record *r, const struct totp *secret);

/* End the lock, and forget the logins that need no code.  Codes that are used up stay so.  Where a wrong clock has
 * used up codes of the future, they count again. */
void totp_record_reset(struct totp_record *r, const struct totp *secret, int64_t now);

/* What a login has proven before, hashed: the text may be of any length. */
void totp_record_proof(const char *text, uint8_t proof[TOTP_RECORD_PROOF_SIZE]);

/* One login that asks to be let in. */
struct totp_login {
	const struct totp *secret;
	unsigned int skew;
	int64_t now;
	const char *typed;    /* the code */
	const char *address;  /* of the client, numeric */
	const uint8_t *proof; /* totp_record_proof(); NULL: nothing is proven, nor remembered */
	int64_t remember;     /* seconds; 0: no */

	/* what came of it */
	enum totp_outcome {
		TOTP_ACCEPTED,
		TOTP_RECOVERED, /* by a recovery code, which is used up now */
		TOTP_WRONG,
		TOTP_USED,   /* the code was right, and has been used, or an older one than that */
		TOTP_LOCKS,  /* it was wrong, and the secret is locked from now on */
		TOTP_LOCKED, /* the secret is locked: nobody has looked at the code */
	} outcome;
	unsigned int wrong;	    /* of TOTP_WRONG: in a row, with this one */
	int64_t clock_off;	    /* of TOTP_WRONG and TOTP_LOCKS: totp_clock_off() */
	unsigned int recovery_left; /* of TOTP_RECOVERED */
	int64_t locked_for;	    /* of TOTP_LOCKS and TOTP_LOCKED: seconds from now on */
};

/*
 * For state_update(), with a struct totp_login: judge the code by the record, and change the record.  0: the
 * record is to be written before anybody is let in or refused; ERR_EXISTS: it stays as it is; ERR_FORMAT as
 * totp_record_get().  The outcome is set but for the last.
 */
int totp_record_login(void *login, struct buf *record) MUST_CHECK;

/* Is this login remembered, so that it needs no code?  1 or 0; 0 as well for a damaged record. */
int totp_record_remembers(const struct totp_login *l, struct bytes record);

#endif
