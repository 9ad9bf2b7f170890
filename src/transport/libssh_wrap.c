/*
 * Functions that replace functions of libssh: where libssh would use a private key, write to a
 * socket or read a file, it calls these instead.  __wrap_NAME replaces NAME, by the linker's option
 * --wrap, which the Makefile sets for every such name in this file; __real_NAME is the original.
 *
 * The comment of each says what it replaces and why.  "Upgrade:" is what to check in a new version
 * of libssh, for no compiler does: what this code assumes about the function and its callers; and
 * for all of them, that libssh still calls the function from another file than the one that defines
 * it (a call within one file is not replaced).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <openssl/rand.h>

#include "transport/leg_private.h"
#include "libssh/dh.h"
#include "libssh/knownhosts.h"
#include "libssh/options.h"
#include "libssh/pki.h"
#include "libssh/wrapper.h"
#include "wire/ssh.h"

/* All legs of the process, to find the leg of a libssh session or socket, which is all that libssh
 * gives to these functions.  A session has two. */
static struct leg *wrap_legs;

void
leg_register(struct leg *leg)
{
	leg->next = wrap_legs;
	wrap_legs = leg;
}

void
leg_unregister(struct leg *leg)
{
	struct leg **lp;

	for (lp = &wrap_legs; *lp != NULL; lp = &(*lp)->next)
		if (*lp == leg) {
			*lp = leg->next;
			return;
		}
}

struct leg *
leg_of_session(ssh_session ssh)
{
	struct leg *leg;

	for (leg = wrap_legs; leg != NULL; leg = leg->next)
		if (leg->ssh == ssh)
			return leg;
	abort();
}

struct leg *
leg_of_socket(ssh_socket socket)
{
	struct leg *leg;

	for (leg = wrap_legs; leg != NULL; leg = leg->next)
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
int __real_ssh_get_random(void *where, int len, int strong);
int __wrap_ssh_get_random(void *where, int len, int strong);

/* --- output --- */

/* Send a client's version string in place of libssh's, which has no option for it, and replace the
 * copy that goes into the exchange hash. */
static int
wrap_send_version(struct leg *leg)
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
 * ssh_packet_encrypt (packet_crypt.c), called by packet_send2() for each packet.  Replaced for
 * speed: with AES-GCM, packets are encrypted from libssh's buffer straight into the leg's output.
 * libssh would encrypt into another buffer, copy that back, wipe it, and have the packet copied
 * once more when it is written.  Packets of other ciphers are passed on to libssh.  It is also
 * where global requests and their sequence numbers are seen (leg_requests_sent()).
 *
 * NULL means "not encrypted, before the first key exchange" as well as an error, and libssh writes
 * the packet in both cases; after an error SEALED_NOT makes __wrap_ssh_socket_write() fail.
 *
 * Upgrade: packet_send2() passes the whole packet with its length in front, appends to it the bytes
 * returned, as many as a MAC has, then writes once, and increments send_seq itself.
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

/*
 * ssh_socket_write (socket.c), called for each packet and for the version string.  Replaced so that
 * the bytes go to the leg's output, not to libssh's socket.
 *
 * Upgrade: libssh writes to its socket in no other way; a client's first write is its version
 * string.
 */
int
__wrap_ssh_socket_write(ssh_socket s, const void *buffer, uint32_t len)
{
	struct leg *leg = leg_of_socket(s);

	if (leg == NULL)
		return SSH_ERROR;
	if (!leg->server && !leg->version_sent)
		return wrap_send_version(leg);
	if (leg->sealed_len == SEALED_NOT)
		return SSH_ERROR;
	if (leg->sealed_len != 0) { /* __wrap_ssh_packet_encrypt() has put the packet there */
		leg->output_len += leg->sealed_len;
		leg->sealed_len = 0;
		return SSH_OK;
	}
	return leg_output_add(leg, buffer, len);
}

/* --- host keys --- */

/*
 * ssh_get_key_params (server.c), called in a server's key exchange for the host key of the
 * negotiated algorithm.  Replaced because the original derives the public key from the private one,
 * and a session has no private host keys: *privkey is the public half here, and the keeper signs.
 * The key is found by the name of the algorithm, since libssh's own numbers know one key of a kind.
 *
 * Upgrade: the original still gives the public blob to ssh_dh_import_next_pubkey_blob(), which
 * keeps what it has read in next_crypto->server_pubkey; its callers only pass *privkey on to
 * ssh_srv_pki_do_sign_sessionid().
 */
int
__wrap_ssh_get_key_params(ssh_session session, ssh_key *privkey, enum ssh_digest_e *digest)
{
	struct ssh_crypto_struct *crypto = session->next_crypto;
	ssh_string blob = leg_host_keys_find(leg_of_session(session),
	    crypto->kex_methods[SSH_HOSTKEYS]);

	*privkey = NULL;
	*digest = session->srv.hostkey_digest;
	if (blob == NULL || ssh_dh_import_next_pubkey_blob(session, blob) != 0)
		return SSH_ERROR;
	*privkey = crypto->server_pubkey;
	return SSH_OK;
}

/* At each key exchange: reset the limits of wrap_hide_kex(). */
static void
wrap_reset_late(struct leg *leg)
{
	leg->late_messages = 0;
	leg->late_bytes = 0;
}

/*
 * ssh_srv_pki_do_sign_sessionid (pki.c), called in a server's key exchange to sign the exchange
 * hash.  Replaced so that the keeper signs, through leg_ops.sign.
 *
 * Upgrade: all key exchange methods of a server call it; secret_hash is the exchange hash.
 */
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
	wrap_reset_late(leg);
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

/*
 * ssh_pki_signature_verify (pki.c), called in a client's key exchange for the server's signature.
 * Replaced to add a check: when libssh has verified the signature, leg_ops.host_key asks the
 * keeper, which verifies it again, whether this is the host key of the upstream.
 *
 * Upgrade: all key exchange methods of a client call it, with the exchange hash as input and a
 * signature by the negotiated algorithm; libssh verifies no other signature of a leg (login
 * messages to a server never reach the code that would).
 */
int
__wrap_ssh_pki_signature_verify(ssh_session session, ssh_signature sig, const ssh_key key,
    const unsigned char *input, size_t input_len)
{
	struct leg *leg = leg_of_session(session);
	ssh_string blob = NULL, sig_blob = NULL;
	int r;

	wrap_reset_late(leg);
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

/* --- messages in the middle of a key exchange --- */

/*
 * A peer that has sent KEXINIT must not send messages of the connection protocol until its
 * NEWKEYS (RFC 4253 section 7.1).  Some clients do: asyncssh sends channel messages that it had
 * ready, and OpenSSH's sshd takes them.  libssh does not: its filter lets such messages pass in
 * SSH_SESSION_STATE_AUTHENTICATED alone, and ends the session in any other state.
 *
 * So for the time of one message the state is hidden.  When libssh has decrypted a packet of type
 * 80 to 127 during a rekey, wrap_hide_kex() notes the true state and shows AUTHENTICATED; the
 * filter lets the message pass to leg_packets.c, and leg_show_kex() puts the true state back
 * before anything else is done: at the beginning of the handler, or in leg_process() if the
 * message has not come to one.  No key exchange message is ever hidden, and none before the login.
 * LEG_LATE_MESSAGES and LEG_LATE_BYTES limit what a peer may send that way in one key exchange:
 * beyond them libssh's filter ends the session.
 *
 * Between decryption and filter libssh calls two functions that can be replaced for this:
 * ssh_buffer_pass_bytes_end(), which takes the padding off each packet, and after it, with
 * compression, decompress_buffer().
 *
 * Upgrade: ssh_packet_socket_callback() still calls these two in this order, then reads the type
 * and asks ssh_packet_incoming_filter(), which has no other condition for types 80 to 127; after
 * either call session->in_buffer begins with the type of the message.
 */

static int
wrap_in_rekey(ssh_session ssh)
{
	return (ssh->flags & SSH_SESSION_FLAG_AUTHENTICATED) != 0 &&
	    (ssh->session_state == SSH_SESSION_STATE_KEXINIT_RECEIVED ||
		ssh->session_state == SSH_SESSION_STATE_DH);
}

static void
wrap_hide_kex(struct leg *leg)
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

/* ssh_buffer_pass_bytes_end (buffer.c), called once for each packet that has been decrypted and
 * verified, to take off its padding.  Replaced for wrap_hide_kex(), see above: without compression
 * the payload is left in the buffer. */
uint32_t
__wrap_ssh_buffer_pass_bytes_end(ssh_buffer buffer, uint32_t len)
{
	uint32_t passed = __real_ssh_buffer_pass_bytes_end(buffer, len);
	const struct ssh_crypto_struct *crypto;
	struct leg *leg;

	for (leg = wrap_legs; leg != NULL; leg = leg->next) {
		if (leg->ssh == NULL || leg->ssh->in_buffer != buffer || !wrap_in_rekey(leg->ssh))
			continue;
		crypto = ssh_packet_get_current_crypto(leg->ssh, SSH_DIRECTION_IN);
		if (crypto != NULL && !crypto->do_compress_in)
			wrap_hide_kex(leg);
	}
	return passed;
}

/* decompress_buffer (gzip.c), called for the payload of each compressed packet.  Replaced for
 * wrap_hide_kex(), see above. */
int
__wrap_decompress_buffer(ssh_session session, ssh_buffer buf, size_t maxlen)
{
	int r = __real_decompress_buffer(session, buf, maxlen);

	if (r == 0 && wrap_in_rekey(session))
		wrap_hide_kex(leg_of_session(session));
	return r;
}

/* --- the host key algorithms of KEXINIT --- */

/*
 * ssh_find_all_matching (token.c), called for the list of host key algorithms in KEXINIT: of a
 * client, to remove those of host certificates, which libssh does not support and the keeper does;
 * of a server, to keep those that its host keys are for, of which libssh knows one (leg_host_keys.c).
 * For these two the result is leg->host_key_algorithms; other lists are passed on to libssh.
 *
 * Upgrade: ssh_client_select_hostkeys() and server_set_kex() pass opts.wanted_methods[SSH_HOSTKEYS]
 * itself, not a copy: the call is recognized by the pointer.
 */
char *
__wrap_ssh_find_all_matching(const char *available, const char *preferred)
{
	const struct leg *leg;

	for (leg = wrap_legs; leg != NULL; leg = leg->next)
		if (leg->host_key_algorithms != NULL && leg->ssh != NULL &&
		    preferred == leg->ssh->opts.wanted_methods[SSH_HOSTKEYS])
			return strdup(leg->host_key_algorithms);
	return __real_ssh_find_all_matching(available, preferred);
}

/* --- what a client would look up --- */

/*
 * ssh_known_hosts_get_algorithms_names (knownhosts.c), called for a client's KEXINIT to put the
 * algorithms of known host keys first.  Replaced because it would open known_hosts files; the
 * keeper reads those, and host_key_algorithms is in the right order already.
 *
 * Upgrade: NULL still means that no host key is known.
 */
char *
__wrap_ssh_known_hosts_get_algorithms_names(ssh_session session)
{
	return NULL;
}

/*
 * ssh_options_apply (options.c), called by ssh_connect() to expand file names in options.  Replaced
 * because it looks up the user's home directory; a leg sets no option with a file name.
 *
 * Upgrade: it still does nothing else that a client needs.
 */
int
__wrap_ssh_options_apply(ssh_session session)
{
	return 0;
}

/* --- random bytes --- */

#define WRAP_RANDOM_SIZE 4096

struct wrap_random {
	size_t left; /* unused bytes, at the end of bytes[]; 0 in a new child */
	uint8_t bytes[WRAP_RANDOM_SIZE - sizeof(size_t)];
};

static struct wrap_random *
wrap_random_get(void)
{
	static struct wrap_random *pool;
	void *page;

	if (pool != NULL)
		return pool;
	page = mmap(NULL, WRAP_RANDOM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	    0);
	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, WRAP_RANDOM_SIZE, MADV_WIPEONFORK) == -1 ||
	    madvise(page, WRAP_RANDOM_SIZE, MADV_DONTDUMP) == -1) {
		munmap(page, WRAP_RANDOM_SIZE);
		return NULL;
	}
	pool = page;
	return pool;
}

/*
 * ssh_get_random (getrandom_crypto.c), called for all random bytes of libssh.  Replaced for speed:
 * sntrup761 asks for four bytes thousands of times for one key, and each call of libcrypto makes a
 * system call.  So a page of random bytes is kept, and each byte is used once and wiped.  The
 * kernel clears the page in a forked child (MADV_WIPEONFORK): no two processes use the same bytes.
 *
 * Upgrade: it still returns 1 for success, 0 for failure.
 */
int
__wrap_ssh_get_random(void *where, int len, int strong)
{
	struct wrap_random *pool = len > 64 ? NULL : wrap_random_get();
	uint8_t *from;

	if (pool == NULL || len <= 0)
		return __real_ssh_get_random(where, len, strong);
	if (pool->left < (size_t)len) {
		if (RAND_priv_bytes(pool->bytes, sizeof(pool->bytes)) != 1)
			return 0;
		pool->left = sizeof(pool->bytes);
	}
	from = pool->bytes + sizeof(pool->bytes) - pool->left;
	memcpy(where, from, (size_t)len);
	explicit_bzero(from, (size_t)len);
	pool->left -= (size_t)len;
	return 1;
}
