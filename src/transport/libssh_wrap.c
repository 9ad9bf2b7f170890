/*
 * What the linker puts in place of some functions of libssh (--wrap): where the
 * library would hold a private key, write to a socket or read a file, it comes
 * here instead.
 */
#include <stdlib.h>
#include <string.h>

#include "transport/leg_private.h"
#include "libssh/dh.h"
#include "libssh/knownhosts.h"
#include "libssh/options.h"
#include "libssh/pki.h"
#include "wire/ssh.h"

/* libssh gives these functions a session or a socket and no context of ours.  A
 * process has two legs at most, so a list is searched quickly. */
static struct leg *legs;

void
leg_register(struct leg *leg)
{
	leg->next = legs;
	legs = leg;
}

void
leg_unregister(struct leg *leg)
{
	struct leg **lp;

	for (lp = &legs; *lp != NULL; lp = &(*lp)->next)
		if (*lp == leg) {
			*lp = leg->next;
			return;
		}
}

struct leg *
leg_of_session(ssh_session ssh)
{
	struct leg *leg;

	for (leg = legs; leg != NULL; leg = leg->next)
		if (leg->ssh == ssh)
			return leg;
	abort();
}

struct leg *
leg_of_socket(ssh_socket socket)
{
	struct leg *leg;

	for (leg = legs; leg != NULL; leg = leg->next)
		if (leg->ssh != NULL && leg->ssh->socket == socket)
			return leg;
	return NULL;
}

unsigned char *__real_ssh_packet_encrypt(ssh_session session, void *data, size_t len);
unsigned char *__wrap_ssh_packet_encrypt(ssh_session session, void *data, size_t len);
int __wrap_ssh_socket_write(ssh_socket s, const void *buffer, uint32_t len);
int __wrap_ssh_get_key_params(ssh_session session, ssh_key *privkey, enum ssh_digest_e *digest);
ssh_string __wrap_ssh_srv_pki_do_sign_sessionid(ssh_session session, const ssh_key privkey,
    const enum ssh_digest_e digest);
int __real_ssh_pki_signature_verify(ssh_session session, ssh_signature sig, const ssh_key key,
    const unsigned char *input, size_t input_len);
int __wrap_ssh_pki_signature_verify(ssh_session session, ssh_signature sig, const ssh_key key,
    const unsigned char *input, size_t input_len);
uint32_t __real_ssh_buffer_pass_bytes_end(ssh_buffer buffer, uint32_t len);
uint32_t __wrap_ssh_buffer_pass_bytes_end(ssh_buffer buffer, uint32_t len);
int __real_decompress_buffer(ssh_session session, ssh_buffer buf, size_t maxlen);
int __wrap_decompress_buffer(ssh_session session, ssh_buffer buf, size_t maxlen);
char *__real_ssh_find_all_matching(const char *available, const char *preferred);
char *__wrap_ssh_find_all_matching(const char *available, const char *preferred);
char *__wrap_ssh_known_hosts_get_algorithms_names(ssh_session session);
int __wrap_ssh_options_apply(ssh_session session);

/*
 * As a client, libssh gives no choice of version string.  This is the first thing it
 * writes, and what it has noted for the exchange hash is changed with it.
 */
static int
send_version(struct leg *leg)
{
	static const char line[] = "SSH-2.0-" TRANSPORT_SOFTWARE "\r\n";
	char *version = strdup("SSH-2.0-" TRANSPORT_SOFTWARE);

	if (version == NULL)
		return SSH_ERROR;
	free(leg->ssh->clientbanner);
	leg->ssh->clientbanner = version;
	leg->version_sent = 1;
	return leg_output_add(leg, line, sizeof(line) - 1);
}

/*
 * AES-GCM, the fast one: encrypted out of libssh's buffer straight into ours.  libssh would take
 * a buffer for it, copy it back, wipe it, and have it copied once more to be written.
 */
unsigned char *
__wrap_ssh_packet_encrypt(ssh_session session, void *data, size_t len)
{
	struct ssh_crypto_struct *crypto = ssh_packet_get_current_crypto(session,
	    SSH_DIRECTION_OUT);
	struct leg *leg = leg_of_session(session);
	struct ssh_cipher_struct *cipher;
	unsigned char *mac;
	uint8_t *out;

	if (crypto == NULL)
		return NULL;
	if (!crypto->do_compress_out &&
	    ((const uint8_t *)data)[LEG_PACKET_PAYLOAD] == SSH_MSG_GLOBAL_REQUEST)
		leg_requests_sent(leg, session->send_seq, data, len);
	cipher = crypto->out_cipher;
	/* libssh takes NULL for "not encrypted" and writes all the same: not then */
	leg->sealed_len = SEALED_NOT;
	if (crypto->out_hmac != SSH_HMAC_AEAD_GCM) {
		mac = __real_ssh_packet_encrypt(session, data, len);
		if (mac != NULL)
			leg->sealed_len = 0;
		return mac;
	}
	if ((len - cipher->lenfield_blocksize) % cipher->blocksize != 0)
		return NULL;
	out = leg_output_room(leg, len + cipher->tag_size);
	if (out == NULL)
		return NULL;
	cipher->aead_encrypt(cipher, data, out, len, crypto->hmacbuf, session->send_seq);
	memcpy(out + len, crypto->hmacbuf, cipher->tag_size);
	leg->sealed_len = len + cipher->tag_size;
	return crypto->hmacbuf;
}

/* Packets and the version string, on their way out. */
int
__wrap_ssh_socket_write(ssh_socket s, const void *buffer, uint32_t len)
{
	struct leg *leg = leg_of_socket(s);

	if (leg == NULL)
		return SSH_ERROR;
	if (!leg->server && !leg->version_sent)
		return send_version(leg);
	if (leg->sealed_len == SEALED_NOT)
		return SSH_ERROR;
	if (leg->sealed_len != 0) { /* it is there already */
		leg->output_len += leg->sealed_len;
		leg->sealed_len = 0;
		return SSH_OK;
	}
	return leg_output_add(leg, buffer, len);
}

/* The host key for the algorithm negotiated: its public half is all there is. */
int
__wrap_ssh_get_key_params(ssh_session session, ssh_key *privkey, enum ssh_digest_e *digest)
{
	ssh_string blob = NULL;
	int r;

	switch (session->srv.hostkey) {
	case SSH_KEYTYPE_RSA:
		*privkey = session->srv.rsa_key;
		break;
	case SSH_KEYTYPE_ECDSA_P256:
	case SSH_KEYTYPE_ECDSA_P384:
	case SSH_KEYTYPE_ECDSA_P521:
		*privkey = session->srv.ecdsa_key;
		break;
	case SSH_KEYTYPE_ED25519:
		*privkey = session->srv.ed25519_key;
		break;
	default:
		*privkey = NULL;
	}
	*digest = session->srv.hostkey_digest;
	if (*privkey == NULL || ssh_pki_export_pubkey_blob(*privkey, &blob) != SSH_OK)
		return SSH_ERROR;
	r = ssh_dh_import_next_pubkey_blob(session, blob);
	ssh_string_free(blob);
	return r == 0 ? SSH_OK : SSH_ERROR;
}

/* Another key exchange, another count. */
static void
forget_late(struct leg *leg)
{
	leg->late_messages = 0;
	leg->late_bytes = 0;
}

ssh_string
__wrap_ssh_srv_pki_do_sign_sessionid(ssh_session session, const ssh_key privkey,
    const enum ssh_digest_e digest)
{
	struct leg *leg = leg_of_session(session);
	struct ssh_crypto_struct *crypto = session->next_crypto;
	struct bytes hash = { crypto->secret_hash, crypto->digest_len };
	ssh_string blob = NULL;
	struct buf sig;
	int r;

	buf_init(&sig, 4096);
	forget_late(leg);
	if (crypto->secret_hash == NULL || leg->ops->sign == NULL)
		goto out;
	r = leg->ops->sign(leg->ctx, crypto->kex_methods[SSH_HOSTKEYS], hash, &sig);
	if (r == 0)
		r = buf_err(&sig);
	if (r != 0) {
		leg_set_error(leg, "host key signature: %s", err_str(r));
		goto out;
	}
	blob = ssh_string_new(sig.len);
	if (blob != NULL)
		ssh_string_fill(blob, sig.data, sig.len);
out:
	buf_free(&sig);
	return blob;
}

/* libssh verifies the upstream's signature; whose key it should be, and that the
 * signature is good in the keeper's eyes too, is for ops->host_key to say. */
int
__wrap_ssh_pki_signature_verify(ssh_session session, ssh_signature sig, const ssh_key key,
    const unsigned char *input, size_t input_len)
{
	struct leg *leg = leg_of_session(session);
	ssh_string blob = NULL, sig_blob = NULL;
	int r;

	forget_late(leg);
	if (leg->ops->host_key == NULL)
		return SSH_ERROR;
	r = __real_ssh_pki_signature_verify(session, sig, key, input, input_len);
	if (r != SSH_OK)
		return r;
	if (ssh_pki_export_pubkey_blob(key, &blob) != SSH_OK ||
	    ssh_pki_export_signature_blob(sig, &sig_blob) != SSH_OK) {
		r = SSH_ERROR;
		goto out;
	}
	r = leg->ops->host_key(leg->ctx, session->next_crypto->kex_methods[SSH_HOSTKEYS],
	    (struct bytes){ input, input_len },
	    (struct bytes){ ssh_string_data(blob), ssh_string_len(blob) },
	    (struct bytes){ ssh_string_data(sig_blob), ssh_string_len(sig_blob) });
	if (r != 0) {
		leg_set_error(leg, r == ERR_AUTH ? "host key refused" : "host key: %s", err_str(r));
		r = SSH_ERROR;
	}
out:
	ssh_string_free(blob);
	ssh_string_free(sig_blob);
	return r;
}

static int
in_rekey(ssh_session ssh)
{
	return (ssh->flags & SSH_SESSION_FLAG_AUTHENTICATED) != 0 &&
	    (ssh->session_state == SSH_SESSION_STATE_KEXINIT_RECEIVED ||
		ssh->session_state == SSH_SESSION_STATE_DH);
}

/*
 * Some clients say another message or two after they have begun to exchange keys again.
 * RFC 4253 section 7.1 forbids it, OpenSSH takes it, asyncssh lives by it; libssh lets messages
 * of the connection protocol pass only in the state between exchanges, so that is what its
 * filter is shown.
 */
static void
hide_kex(struct leg *leg)
{
	ssh_session ssh = leg->ssh;
	const uint8_t *type = ssh_buffer_get(ssh->in_buffer);

	if (ssh_buffer_get_len(ssh->in_buffer) == 0 || *type < SSH_MSG_CONNECTION_MIN ||
	    *type > SSH_MSG_CONNECTION_MAX)
		return;
	leg->late_bytes += ssh_buffer_get_len(ssh->in_buffer);
	if (++leg->late_messages > LEG_LATE_MESSAGES || leg->late_bytes > LEG_LATE_BYTES)
		return;
	leg->kex_state = ssh->session_state;
	leg->kex_hidden = 1;
	ssh->session_state = SSH_SESSION_STATE_AUTHENTICATED;
}

void
leg_show_kex(struct leg *leg)
{
	if (!leg->kex_hidden)
		return;
	leg->kex_hidden = 0;
	if (leg->ssh->session_state == SSH_SESSION_STATE_AUTHENTICATED)
		leg->ssh->session_state = leg->kex_state;
}

/* Called once for each packet, when it has been verified: what is left then is its payload,
 * unless that is compressed. */
uint32_t
__wrap_ssh_buffer_pass_bytes_end(ssh_buffer buffer, uint32_t len)
{
	uint32_t passed = __real_ssh_buffer_pass_bytes_end(buffer, len);
	const struct ssh_crypto_struct *crypto;
	struct leg *leg;

	for (leg = legs; leg != NULL; leg = leg->next) {
		if (leg->ssh == NULL || leg->ssh->in_buffer != buffer || !in_rekey(leg->ssh))
			continue;
		crypto = ssh_packet_get_current_crypto(leg->ssh, SSH_DIRECTION_IN);
		if (crypto != NULL && !crypto->do_compress_in)
			hide_kex(leg);
	}
	return passed;
}

int
__wrap_decompress_buffer(ssh_session session, ssh_buffer buf, size_t maxlen)
{
	int r = __real_decompress_buffer(session, buf, maxlen);

	if (r == 0 && in_rekey(session))
		hide_kex(leg_of_session(session));
	return r;
}

/* Before it asks for host keys, libssh takes the certificates out of what is wanted: it knows
 * no authorities.  Our keeper does. */
char *
__wrap_ssh_find_all_matching(const char *available, const char *preferred)
{
	const struct leg *leg;

	for (leg = legs; leg != NULL; leg = leg->next)
		if (leg->host_key_algorithms != NULL && leg->ssh != NULL &&
		    preferred == leg->ssh->opts.wanted_methods[SSH_HOSTKEYS])
			return strdup(leg->host_key_algorithms);
	return __real_ssh_find_all_matching(available, preferred);
}

/* The keeper knows the known hosts; libssh is to open no file. */
char *
__wrap_ssh_known_hosts_get_algorithms_names(ssh_session session)
{
	return NULL;
}

/* Nothing to expand: no home, no user, no configuration file. */
int
__wrap_ssh_options_apply(ssh_session session)
{
	return 0;
}
