/*
 * What the log says of a login, in sshd's words.
 */
#include <stdio.h>
#include <string.h>

#include "formats/cert.h"
#include "formats/pubkey.h"
#include "base/log.h"
#include "keeper/downstream.h"

/* sshd's words, for the eyes and filters that know them.  What a certificate says of itself is
 * told of one that has been accepted: a stranger's says what a stranger likes. */
static void
log_login(struct ksession *s, enum log_level level, const char *what)
{
	char key[160] = "", id[CERT_SHOW_SIZE] = "";
	struct cert cert;

	if (auth_server_fingerprint(s->server)[0] != '\0')
		snprintf(key, sizeof(key), ": %s %s",
		    pubkey_type_short(auth_server_key_type(s->server)),
		    auth_server_fingerprint(s->server));
	if (strcmp(what, "Failed") != 0 && cert_parse(&cert, auth_server_key(s->server)) == 0)
		cert_show(&cert, id);
	log_line(level, "%s %s for %s%s from %s port %u ssh2%s%s%s", what,
	    auth_server_method(s->server), s->route == NULL ? "invalid user " : "",
	    ksession_login(s), s->client, s->client_port, key, id[0] != '\0' ? " " : "", id);
}

void
downstream_log(struct ksession *s, const char *what)
{
	log_login(s, LOG_LVL_INFO, what);
}

/* A guess is always logged, and there are MaxAuthTries of them: who shows keys first cannot make
 * room for guesses that nobody counts. */
void
downstream_log_failed(void *ctx)
{
	struct ksession *s = ctx;

	s->failures++;
	s->failed_lines++;
	downstream_log(s, "Failed");
}

/* Who has many keys shows some in vain: as in sshd, that is worth a line once they are half of
 * MaxAuthTries, unless there is no such login; and with so many lines it is enough. */
void
downstream_log_refused(void *ctx)
{
	struct ksession *s = ctx;
	unsigned int most = (unsigned int)s->snapshot->conf->gateway.max_auth_tries;
	int worth_it = s->failures++ >= most / 2 || s->route == NULL;

	if (worth_it && s->failed_lines >= most) {
		s->not_logged++;
		return;
	}
	s->failed_lines += worth_it;
	log_login(s, worth_it ? LOG_LVL_INFO : LOG_LVL_DEBUG, "Failed");
}

/* sshd has two lines for who has had too many tries; this is the one that is counted. */
void
downstream_log_denied(const struct ksession *s)
{
	const char *reason = auth_server_reason(s->server);
	char user[KSESSION_WHO_SIZE];

	if (s->not_logged > 0)
		log_info("session %04jx: %u more failures are not in the log", (uintmax_t)s->id,
		    s->not_logged);
	if (strcmp(reason, AUTH_SERVER_TOO_MANY) == 0) {
		log_error("maximum authentication attempts exceeded for %s%s from %s port %u ssh2 "
			  "[preauth]",
		    s->route == NULL ? "invalid user " : "", ksession_login(s), s->client,
		    s->client_port);
		return;
	}
	ksession_who(s, user, sizeof(user));
	log_info("Disconnecting %s%s port %u: %s [preauth]", user, s->client, s->client_port,
	    reason);
}
