/*
 * From a route to options of authorized_keys(5), OpenSSH 7.2 and later (permitlisten: 7.8);
 * for `sallyport key public NAME --for ROUTE`.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "access/policy_from_route.h"
#include "cli/key_options.h"

/* permitopen and permitlisten have no "none": a name that never resolves (RFC 6761), and a port
 * that root alone may listen on. */
#define NOWHERE "none.invalid:1"

/* Errors of the buffer are left to buf_err(). */
static int
key_options_put_quoted(struct buf *out, const char *option, const char *value, struct reason *why)
{
	size_t len = strlen(value), i;

	/* sshd reads \" as a quote within the value */
	if (len > 0 && value[len - 1] == '\\')
		return keyword_bad(why, "%s=\"\" of authorized_keys(5) cannot end in a backslash",
		    option);
	buf_putf(out, ",%s=\"", option);
	for (i = 0; i < len; i++) {
		if (value[i] == '"')
			buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)value[i]);
	}
	buf_put_u8(out, '"');
	return 0;
}

static int key_options_note(struct strlist *notes, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int
key_options_note(struct strlist *notes, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return strlist_add(notes, text, strlen(text));
}

static int
key_options_is_word(const struct strlist *list, const char *word)
{
	return list->n == 1 && strcasecmp(list->v[0], word) == 0;
}

/* PermitOpen or PermitListen; open: the route allows forwards of this direction. */
static int
key_options_put_permits(struct buf *out, const char *option, int open, const struct strlist *list,
    struct reason *why)
{
	size_t i;
	int r = 0;

	if (!open || key_options_is_word(list, "none"))
		return key_options_put_quoted(out, option, NOWHERE, why);
	if (key_options_is_word(list, "any"))
		return 0;
	for (i = 0; r == 0 && i < list->n; i++)
		r = key_options_put_quoted(out, option, list->v[i], why);
	return r;
}

static int
key_options_put_forwards(const struct route *r, struct buf *out, struct strlist *notes,
    struct reason *why)
{
	int limited = (r->permit_open.n > 0 && !key_options_is_word(&r->permit_open, "any")) ||
	    (r->permit_listen.n > 0 && !key_options_is_word(&r->permit_listen, "any"));
	int err;

	/* without TCP forwarding the gateway lets no Unix socket through either */
	if (r->allow_tcp == ROUTE_FORWARD_NO)
		return 0;
	buf_putf(out, ",port-forwarding");
	err = key_options_put_permits(out, "permitopen", (r->allow_tcp & ROUTE_FORWARD_LOCAL) != 0,
	    &r->permit_open, why);
	if (err == 0)
		err = key_options_put_permits(out, "permitlisten",
		    (r->allow_tcp & ROUTE_FORWARD_REMOTE) != 0, &r->permit_listen, why);
	if (err == 0 && (limited || (r->allow_stream & r->allow_tcp) != ROUTE_FORWARD_YES))
		err = key_options_note(notes,
		    "port-forwarding also permits Unix sockets: to enforce what the route says "
		    "of them, set AllowStreamLocalForwarding in the upstream's sshd_config");
	return err;
}

static int
key_options_put_command(const struct route *r, struct buf *out, struct strlist *notes,
    struct reason *why)
{
	static const char sftp[] = "internal-sftp";
	const char *command = r->force_command;
	const int is_forced = command != NULL && strcasecmp(command, "none") != 0;
	char *reads;
	int err;

	/* the gateway's session asks for this command in place of sftp, which internal-sftp refuses */
	if (route_is_sftp_read_only(r) &&
	    (is_forced ? policy_is_internal_sftp(command) : policy_is_sftp_alone(r))) {
		reads = policy_sftp_command(r);
		err = reads == NULL ? ERR_NOMEM :
				      key_options_put_quoted(out, "command", reads, why);
		free(reads);
		return err;
	}
	if (is_forced) {
		err = key_options_put_quoted(out, "command", command, why);
		if (err == 0 && strncmp(command, sftp, sizeof(sftp) - 1) != 0)
			err = key_options_note(notes,
			    "a command that reads SSH_ORIGINAL_COMMAND finds its own text "
			    "there; if it needs what the user typed, remove ForceCommand from "
			    "the route and keep command=\"\" in this line");
		return err;
	}
	if (key_options_is_word(&r->permit_commands, "sftp"))
		return key_options_put_quoted(out, "command", sftp, why);
	return 0;
}

static void
key_options_add_word(struct buf *words, const char *word)
{
	buf_putf(words, "%s%s", words->len > 0 ? ", " : "", word);
}

/* The keys of the route that only the gateway can enforce. */
static int
key_options_note_rest(const struct route *r, struct strlist *notes)
{
	int forced = r->force_command != NULL && strcasecmp(r->force_command, "none") != 0;
	struct buf words;
	int err = 0;

	buf_init(&words, 256);
	if (r->permit_commands.n > 0 && !forced &&
	    !key_options_is_word(&r->permit_commands, "sftp"))
		key_options_add_word(&words, "PermitCommands");
	if (route_is_sftp_read_only(r) && !forced && !policy_is_sftp_alone(r))
		key_options_add_word(&words, "SftpReadOnly");
	if (r->accept_env.n > 0)
		key_options_add_word(&words, "AcceptEnv");
	if (r->max_sessions != 1024)
		key_options_add_word(&words, "MaxSessions");
	if (r->idle_timeout_ms != 0)
		key_options_add_word(&words, "IdleTimeout");
	if (r->session_timeout_ms != 0)
		key_options_add_word(&words, "SessionTimeout");
	if (r->unused_timeout_ms != 0)
		key_options_add_word(&words, "UnusedConnectionTimeout");
	if (words.len > 0 && buf_cstr(&words) != NULL)
		err = key_options_note(notes,
		    "the upstream cannot enforce %s with this line: only the gateway's session "
		    "does",
		    buf_cstr(&words));
	buf_free(&words);
	if (err == 0 && key_options_is_word(&r->permit_commands, "sftp") && !r->restrict_all)
		err = key_options_note(notes,
		    "PermitCommands = sftp does not close forwards, agent or terminals: "
		    "Restrict = yes beside it does, in the route and in this line");
	if (err == 0 && (r->password != NULL || r->passthrough))
		err = key_options_note(notes,
		    "the route logs in with a password as well, to which this line does not apply");
	if (err == 0 && r->certificate_file != NULL)
		err = key_options_note(notes,
		    "an upstream that trusts the authority of CertificateFile does not read "
		    "this line: put such options into the certificate itself (ssh-keygen -O)");
	return err;
}

/* A hop is for connections to the next machine, and nothing else. */
static int
key_options_put_hop(struct buf *out, struct strlist *notes, struct reason *why)
{
	int err;

	buf_putf(out, ",port-forwarding");
	err = key_options_put_quoted(out, "permitlisten", NOWHERE, why);
	if (err == 0)
		err = key_options_note(notes,
		    "the hop can limit where the gateway goes on to: add permitopen=\"HOST:PORT\" "
		    "for each machine behind it");
	return err != 0 ? err : buf_err(out);
}

int
key_options(const struct route *r, const char *from, struct buf *out, struct strlist *notes,
    struct reason *why)
{
	size_t begin = out->len;
	int err;

	buf_putf(out, "restrict");
	err = key_options_put_quoted(out, "from", from, why);
	if (err == 0 && r->mode == ROUTE_HOP)
		return key_options_put_hop(out, notes, why);
	if (err == 0)
		err = key_options_put_command(r, out, notes, why);
	if (r->permit_tty)
		buf_putf(out, ",pty");
	if (err == 0)
		err = key_options_put_forwards(r, out, notes, why);
	if (r->allow_agent)
		buf_putf(out, ",agent-forwarding");
	if (r->x11)
		buf_putf(out, ",X11-forwarding");
	/* ~/.ssh/rc: no key of a route is about it, as the gateway does not see it run */
	if (!r->restrict_all)
		buf_putf(out, ",user-rc");
	if (err == 0)
		err = key_options_note_rest(r, notes);
	if (err == 0 && out->len - begin > KEY_OPTIONS_MAX)
		err = key_options_note(notes,
		    "the line is longer than %d bytes: an old sshd does not read it",
		    KEY_OPTIONS_MAX);
	return err != 0 ? err : buf_err(out);
}
