/*
 * AES-GCM (RFC 5647) by libipsec-mb, where that is faster: OpenSSL before 3.1 does not know
 * the vector AES of today's amd64 processors (VAES), and takes twice as long for a large
 * packet and ten times as long for a small one.  Elsewhere libssh's own way stays.
 *
 * libssh's table of ciphers is given other functions, before the first connection.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/opensslv.h>
#include <sodium.h>

#include "transport/leg_private.h"
#include "transport/version.h"

#if OPENSSL_VERSION_NUMBER < 0x30100000L && __has_include(<intel-ipsec-mb.h>)

#include <intel-ipsec-mb.h>

#define FEATURES (IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ | IMB_CPUFLAGS_AVX512)

#define FIXED_LEN 4 /* of the nonce; the rest counts the packets */

/* One direction of a connection. */
struct aes_gcm {
	struct gcm_key_data key; /* asks for an alignment */
	aes_gcm_enc_dec_t encrypt, decrypt;
	uint8_t nonce[AES_GCM_IVLEN];
};

static IMB_MGR *mgr;

static struct aes_gcm *
state_of(const struct ssh_cipher_struct *cipher)
{
	/* libssh with libcrypto has no use for this member */
	return (struct aes_gcm *)cipher->aes_key;
}

/* The last 8 bytes, big-endian, RFC 5647 section 7.1. */
static void
count_packet(struct aes_gcm *g)
{
	size_t i;

	for (i = sizeof(g->nonce); i > FIXED_LEN && ++g->nonce[i - 1] == 0; i--)
		;
}

static int
aes_gcm_set_key(struct ssh_cipher_struct *cipher, void *key, void *iv)
{
	struct aes_gcm *g = aligned_alloc(_Alignof(struct aes_gcm), sizeof(*g));

	if (g == NULL)
		return SSH_ERROR;
	if (cipher->keysize == 128) {
		IMB_AES128_GCM_PRE(mgr, key, &g->key);
		g->encrypt = mgr->gcm128_enc;
		g->decrypt = mgr->gcm128_dec;
	} else {
		IMB_AES256_GCM_PRE(mgr, key, &g->key);
		g->encrypt = mgr->gcm256_enc;
		g->decrypt = mgr->gcm256_dec;
	}
	memcpy(g->nonce, iv, sizeof(g->nonce));
	cipher->aes_key = (struct ssh_aes_key_schedule *)g;
	return SSH_OK;
}

static void
aes_gcm_cleanup(struct ssh_cipher_struct *cipher)
{
	struct aes_gcm *g = state_of(cipher);

	if (g == NULL)
		return;
	explicit_bzero(g, sizeof(*g));
	free(g);
	cipher->aes_key = NULL;
}

/* The length stands in front of a packet in the clear, authenticated. */
static void
aes_gcm_encrypt(struct ssh_cipher_struct *cipher, void *in, void *out, size_t len, uint8_t *tag,
    uint64_t seq)
{
	struct aes_gcm *g = state_of(cipher);
	size_t aad = cipher->lenfield_blocksize;
	struct gcm_context_data ctx;

	memcpy(out, in, aad);
	g->encrypt(&g->key, &ctx, (uint8_t *)out + aad, (uint8_t *)in + aad, len - aad, g->nonce,
	    in, aad, tag, cipher->tag_size);
	count_packet(g);
}

static int
aes_gcm_decrypt(struct ssh_cipher_struct *cipher, void *packet, uint8_t *out, size_t len,
    uint64_t seq)
{
	struct aes_gcm *g = state_of(cipher);
	size_t aad = cipher->lenfield_blocksize;
	const uint8_t *in = (const uint8_t *)packet + aad;
	struct gcm_context_data ctx;
	uint8_t tag[AES_GCM_TAGLEN];

	g->decrypt(&g->key, &ctx, out, in, len, g->nonce, packet, aad, tag, sizeof(tag));
	if (sodium_memcmp(tag, in + len, sizeof(tag)) != 0)
		return SSH_ERROR;
	count_packet(g);
	return SSH_OK;
}

void
aes_gcm_init(void)
{
	struct ssh_cipher_struct *cipher;

	if (mgr != NULL)
		return;
	mgr = alloc_mb_mgr(0);
	if (mgr == NULL)
		return;
	if ((mgr->features & FEATURES) != FEATURES) {
		free_mb_mgr(mgr);
		mgr = NULL;
		return;
	}
	init_mb_mgr_auto(mgr, NULL);
	if (imb_get_errno(mgr) != 0) {
		free_mb_mgr(mgr); /* it has tested itself, and is not well */
		mgr = NULL;
		return;
	}
	for (cipher = ssh_get_ciphertab(); cipher->name != NULL; cipher++) {
		if (cipher->ciphertype != SSH_AEAD_AES128_GCM &&
		    cipher->ciphertype != SSH_AEAD_AES256_GCM)
			continue;
		cipher->set_encrypt_key = cipher->set_decrypt_key = aes_gcm_set_key;
		cipher->aead_encrypt = aes_gcm_encrypt;
		cipher->aead_decrypt = aes_gcm_decrypt;
		cipher->cleanup = aes_gcm_cleanup;
	}
}

const char *
transport_aes_gcm_version(void)
{
	return mgr != NULL ? imb_get_version_str() : NULL;
}

#else

void
aes_gcm_init(void)
{
}

const char *
transport_aes_gcm_version(void)
{
	return NULL;
}

#endif
