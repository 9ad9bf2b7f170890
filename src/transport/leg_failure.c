/*
 * Why a leg ended, in sshd's words, which log filters know, unlike those of libssh.  Called by
 * leg.c when libssh or the socket has failed.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "transport/leg_private.h"

/* Texts of OpenSSH's ssherr.c, for peers that do not keep to the protocol. */
#define BAD_MAC "message authentication code incorrect"
#define INCOMPLETE "incomplete message"
#define INVALID "invalid format"

/* Sent in the clear before any key exchange, as sshd's kex_exchange_identification() does. */
#define TEXT_NOT_SSH "Invalid SSH identification string.\r\n"
#define TEXT_OTHER_VERSION "Protocol major versions differ.\r\n"

static const struct {
	const char *libssh; /* the beginning of libssh's text */
	const char *words;
} leg_failure_texts[] = {
	{ "HMAC error", BAD_MAC },
	{ "Decryption error", BAD_MAC },
	{ "read_packet(): Packet len too high", BAD_MAC },
	{ "Given numbers of bytes left", BAD_MAC },
	{ "Invalid packet length", BAD_MAC },
	{ "Packet too short", INCOMPLETE },
	{ "Invalid padding", INCOMPLETE },
	{ "ssh_packet_kexinit: no cookie", INCOMPLETE },
	{ "No Q_C ECC point", INCOMPLETE },
	{ "No e number", INCOMPLETE },
};

static const char *
leg_failure_words(const char *text)
{
	size_t i;

	/* libssh sets no text for a message that ends too early */
	if (text[0] == '\0')
		return INCOMPLETE;
	for (i = 0; i < sizeof(leg_failure_texts) / sizeof(leg_failure_texts[0]); i++)
		if (strncmp(text, leg_failure_texts[i].libssh,
			strlen(leg_failure_texts[i].libssh)) == 0)
			return leg_failure_texts[i].words;
	return NULL;
}

/* 1, with the error set, if the key exchange failed for lack of a common algorithm (OpenSSH's
 * SSH_ERR_NO_*_ALG_MATCH). */
static int
leg_failure_no_match(struct leg *leg)
{
	static const char *const what[SSH_KEX_METHODS] = {
		[SSH_KEX] = "key exchange method",
		[SSH_HOSTKEYS] = "host key type",
		[SSH_CRYPT_C_S] = "cipher",
		[SSH_CRYPT_S_C] = "cipher",
		[SSH_MAC_C_S] = "MAC",
		[SSH_MAC_S_C] = "MAC",
		[SSH_COMP_C_S] = "compression method",
		[SSH_COMP_S_C] = "compression method",
	};
	struct ssh_crypto_struct *crypto = leg->ssh->next_crypto;
	const char *offer;
	int i;

	if (crypto == NULL)
		return 0;
	for (i = 0; i < SSH_KEX_METHODS && crypto->kex_methods[i] != NULL; i++)
		continue;
	if (i == SSH_KEX_METHODS || what[i] == NULL)
		return 0;
	offer = leg->server ? crypto->client_kex.methods[i] : crypto->server_kex.methods[i];
	leg->failure = LEG_NO_MATCH;
	leg_set_error(leg, "no matching %s found. Their offer: %s", what[i],
	    offer != NULL ? offer : "");
	return 1;
}

/* The version of a load balancer's header that a client's version string should have been in place of, or
 * 0.  It is the whole input: leg_version.c has taken nothing of it. */
static int
leg_failure_proxy(const struct leg *leg)
{
	static const struct {
		const char *begins;
		size_t len;
	} versions[] = { { "PROXY ", 6 }, { "\r\n\r\n\0\r\nQUIT\n", 12 } };
	int i;

	for (i = 0; i < 2; i++)
		if (leg->server && leg->input_len >= versions[i].len &&
		    memcmp(leg->input + leg->input_off, versions[i].begins, versions[i].len) == 0)
			return i + 1;
	return 0;
}

void
leg_set_not_ssh(struct leg *leg)
{
	/* leg_version.c gives libssh none that is malformed */
	int another = leg_peer_version(leg) != NULL;
	int proxy = another ? 0 : leg_failure_proxy(leg);

	leg->failure = LEG_NOT_SSH;
	/* in the clear, as sshd does: for users of a browser, or of a very old client */
	if (leg->server) {
		const char *text = another ? TEXT_OTHER_VERSION : TEXT_NOT_SSH;

		(void)leg_output_add(leg, text, strlen(text));
	}
	if (proxy != 0)
		leg_set_error(leg,
		    "a header of the PROXY protocol, version %d, which is not read from this address: "
		    "list the load balancer in AcceptProxyFrom of [edge], or turn the header off "
		    "there (HAProxy: send-proxy)",
		    proxy);
	else
		leg_set_error(leg, "%s", another ? "could not read protocol version" : INVALID);
}

void
leg_set_failure(struct leg *leg)
{
	static const char filter[] = "Packet filter: rejected packet (type ";
	const char *text = ssh_get_error(leg->ssh), *words;

	/* an earlier error says more */
	if (leg->error[0] != '\0')
		return;
	if (errno == ENOMEM) {
		leg_set_error(leg, LEG_NO_MEMORY);
		return;
	}
	log_debug("%s: %s", leg->server ? "client" : "upstream", text);
	if (strncmp(text, "No version of SSH", 17) == 0) {
		leg_set_not_ssh(leg);
		return;
	}
	if (strncmp(text, "kex error", 9) == 0 && leg_failure_no_match(leg))
		return;
	if (strncmp(text, filter, sizeof(filter) - 1) == 0) {
		leg_set_error(leg, "unexpected message type %.*s",
		    (int)strspn(text + sizeof(filter) - 1, "0123456789"),
		    text + sizeof(filter) - 1);
		return;
	}
	words = leg_failure_words(text);
	if (words == NULL && (leg->ssh->connected || !leg->server)) {
		leg_set_error(leg, "%s", text);
		return;
	}
	leg->failure = LEG_BROKEN;
	leg_set_error(leg, "%s", words != NULL ? words : INVALID);
}

void
leg_set_failure_errno(struct leg *leg, int err)
{
	if (leg->error[0] != '\0')
		return;
	leg->failure = err == ECONNRESET ? LEG_RESET : err == EPIPE ? LEG_CLOSED : LEG_BROKEN;
	leg_set_error(leg, "%s", strerror(err));
}

enum leg_failure
leg_failure(const struct leg *leg)
{
	return leg->peer_closed ? LEG_DISCONNECTED : leg->failure;
}
