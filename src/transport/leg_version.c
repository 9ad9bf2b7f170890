/*
 * The version string of the peer and the lines before it (RFC 4253 section 4.2), read in place of
 * libssh, whose limits are narrower: 127 bytes as a server, 255 as a client.  Here they are those of
 * OpenSSH's kex_exchange_identification().  Set up by leg_new.c; called by leg.c with what has been
 * read, as libssh's own reader would be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/leg_private.h"

/* OpenSSH's SSH_MAX_BANNER_LEN: bytes of a line without its CR and LF.  RFC 4253 has 255 for a version
 * string. */
#define LEG_VERSION_LINE_MAX 8192

/* OpenSSH's SSH_MAX_PRE_BANNER_LINES: lines of a server up to its version string. */
#define LEG_VERSION_LINES_MAX 1024

static size_t
leg_version_refused(struct leg *leg)
{
	leg->ssh->session_state = SSH_SESSION_STATE_ERROR;
	leg_set_not_ssh(leg);
	return 0;
}

/* Is it "SSH-MAJOR.MINOR-SOFTWARE"?  libssh looks at the numbers. */
static int
leg_version_ok(const char *line)
{
	int major, minor, at = -1;

	return sscanf(line, "SSH-%3d.%3d-%n", &major, &minor, &at) == 2 && at > 0 &&
	    line[at] != '\0';
}

/* Keep the first line that a server sends before its version string: if the server then closes, the
 * line may say why. */
static void
leg_version_note_said(struct leg *leg, const char *line, size_t len)
{
	if (leg->said[0] == '\0')
		snprintf(leg->said, sizeof(leg->said), "%.*s", (int)len, line);
}

/* Give the version string to libssh, which goes on to the key exchange. */
static int
leg_version_take(struct leg *leg, const char *line, size_t len)
{
	char *version = strndup(line, len);

	if (version == NULL) {
		leg->ssh->session_state = SSH_SESSION_STATE_ERROR;
		leg_set_error(leg, LEG_NO_MEMORY);
		return ERR_NOMEM;
	}
	if (!leg_version_ok(version)) {
		free(version);
		leg_version_refused(leg);
		return ERR_FORMAT;
	}
	if (leg->server)
		leg->ssh->clientbanner = version;
	else
		leg->ssh->serverbanner = version;
	leg->ssh->session_state = SSH_SESSION_STATE_BANNER_RECEIVED;
	leg->ssh->ssh_connection_callback(leg->ssh);
	return 0;
}

/* One line, or 0 if it is not complete; or 0 with the session in its error state.  For libssh's
 * socket_callbacks.data. */
static size_t
leg_version_input(const void *data, size_t len, void *user)
{
	struct leg *leg = leg_of_session(user);
	size_t room = len < LEG_VERSION_LINE_MAX + 2 ? len : LEG_VERSION_LINE_MAX + 2, n, taken;
	const char *line = data, *end = memchr(data, '\n', room);

	/* a NUL is no text: sshd, too, refuses it without waiting for the end of the line */
	if (end == NULL && memchr(data, '\0', room) != NULL)
		return leg_version_refused(leg);
	if (end == NULL)
		return len > LEG_VERSION_LINE_MAX + 1 ? leg_version_refused(leg) : 0;
	taken = (size_t)(end - line) + 1;
	n = taken - 1;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	if (n > LEG_VERSION_LINE_MAX || memchr(line, '\0', n) != NULL ||
	    memchr(line, '\r', n) != NULL)
		return leg_version_refused(leg);
	if (n > 4 && strncmp(line, "SSH-", 4) == 0)
		return leg_version_take(leg, line, n) == 0 ? taken : 0;
	/* a client's first line is its version string */
	if (leg->server || ++leg->lines_before_version >= LEG_VERSION_LINES_MAX)
		return leg_version_refused(leg);
	leg_version_note_said(leg, line, n);
	return taken;
}

void
leg_version_init(struct leg *leg)
{
	leg->ssh->socket_callbacks.data = leg_version_input;
}
