/*
 * What the log says of a session: lines with its number, the lines of its login and of its end in
 * sshd's words, and the lines that its process asks for.
 */
#ifndef KEEPER_KSESSION_LOG_H
#define KEEPER_KSESSION_LOG_H

#include <stdint.h>

#include "base/bucket.h"
#include "base/log.h"
#include "formats/pubkey.h"
#include "ipc/messages.h"

struct ksession;
struct tunnel;

/* A login of 255 bytes, each escaped. */
#define LOGIN_VIS_SIZE (255 * 4 + 8)

/* What has been logged of a session; only ksession_log.c writes it. */
struct ksession_log {
	struct bucket lines;		/* that the session's process may have logged */
	unsigned int lines_lost;	/* because the bucket was empty */
	unsigned int failed_lines;	/* "Failed ..." */
	unsigned int failed_lines_lost; /* because there were too many already */
	int end_logged;
	/* the key that was accepted; key[0] is '\0' if none was */
	char key_type[32], key[PUBKEY_FINGERPRINT_SIZE];
};

enum ksession_attempt {
	ATTEMPT_FAILED,
	ATTEMPT_PARTIAL,
	ATTEMPT_ACCEPTED
};

/* A line of the keeper's own, with "session NUMBER: " in front. */
void ksession_log(const struct ksession *s, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define ksession_error(s, ...) ksession_log((s), LOG_LVL_ERROR, __VA_ARGS__)
#define ksession_warn(s, ...) ksession_log((s), LOG_LVL_WARN, __VA_ARGS__)
#define ksession_info(s, ...) ksession_log((s), LOG_LVL_INFO, __VA_ARGS__)
#define ksession_debug(s, ...) ksession_log((s), LOG_LVL_DEBUG, __VA_ARGS__)

/* LOG: a line that the session's process asks for.  A flood of them ends the session. */
void ksession_log_input(struct ksession *s, struct wire *body);

/* How many of those lines were too many, if any. */
void ksession_log_lost(const struct ksession *s);

/* The login name, escaped, spaces too; "" before the first request.  Static, until the next
 * call. */
const char *ksession_login(const struct ksession *s);

/* "authenticating user alice ", "invalid user bob ", or "": what sshd puts in front of the
 * client's address. */
void ksession_log_user(const struct ksession *s, char *out, size_t size);
#define KSESSION_USER_SIZE (LOGIN_VIS_SIZE + 32)

/* "Accepted publickey for alice from ...", "Partial ...", "Failed ..." */
void ksession_log_auth(struct ksession *s, enum ksession_attempt what);

/* There is no such login. */
void ksession_log_invalid_user(const struct ksession *s);

/* A key that is in one of the route's files is not accepted. */
void ksession_log_key_refused(const struct ksession *s, const char *reason);

/* A try has failed, after so many other tries and keys that failed. */
void ksession_log_failed_try(struct ksession *s);
void ksession_log_failed_key(struct ksession *s, unsigned int failures);

/* What has come of a conversation for the factor of s->down.factor, beside the lines of the login above. */
void ksession_log_factor(const struct ksession *s, enum log_level level, const char *event,
    const char *reason);

/* The login was denied (AUTH_SERVER_DENIED). */
void ksession_log_denied(const struct ksession *s);

/* The client is refused, for a reason that is not in its login. */
void ksession_log_refused(const struct ksession *s, const char *reason);

/* The client and the upstream have let each other in. */
void ksession_log_routed(const struct ksession *s);

/* The client is let in, and there is no upstream (Mode = jump, Mode = tunnel). */
void ksession_log_jump(const struct ksession *s);

/* What has become of a connection to the machine of s->jump: why it was refused, or "" and the machine's
 * address.  Of many at once, those beyond the limit for a session's lines are counted, not logged. */
void ksession_log_jumped(struct ksession *s, const char *why, const char *address);

/* A tunnel (Mode = tunnel): event is tunnel, tunnel_refused or tunnel_closed, why is "" or the reason. */
void ksession_log_tunnel(const struct ksession *s, const char *event, const char *name,
    uint32_t port, const char *why);

/* A visitor has connected to a tunnel of the session: why the connection was refused, or "".  Limited as above. */
void ksession_log_tunnelled(struct ksession *s, const struct tunnel *t, const char *client,
    uint32_t client_port, const char *why);

/* The connection has ended: one line, whatever the end was, unless it was logged already. */
void ksession_log_end(struct ksession *s, const struct ipc_end *r);

#endif
