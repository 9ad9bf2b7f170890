/*
 * AES-GCM (RFC 5647) by libipsec-mb, where that is faster: OpenSSL before 3.1 does not use
 * the vector AES (VAES) of today's amd64 processors, and takes twice as long for a large
 * packet and ten times as long for a small one.  Elsewhere libssh uses OpenSSL.
 *
 * leg_global_init() calls aes_gcm_init(), which puts these functions into libssh's table of
 * ciphers.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/opensslv.h>
#include <sodium.h>

#include "transport/leg_private.h"

#if OPENSSL_VERSION_NUMBER < 0x30100000L && __has_include(<intel-ipsec-mb.h>)

#include <intel-ipsec-mb.h>

#define AES_GCM_FEATURES (IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ | IMB_CPUFLAGS_AVX512)

/* The nonce begins with this many fixed bytes; the others count the packets. */
#define AES_GCM_FIXED_LEN 4

/* One direction of a connection. */
struct aes_gcm {
	struct gcm_key_data key; /* has to be aligned */
	aes_gcm_enc_dec_t encrypt, decrypt;
	uint8_t nonce[AES_GCM_IVLEN];
};

static IMB_MGR *aes_gcm_mgr;

static struct aes_gcm *
aes_gcm_state(const struct ssh_cipher_struct *cipher)
{
	/* libssh does not use this member with libcrypto */
	return (struct aes_gcm *)cipher->aes_key;
}

/* Count in the last 8 bytes, big-endian: RFC 5647 section 7.1. */
static void
aes_gcm_count_packet(struct aes_gcm *g)
{
	size_t i;

	for (i = sizeof(g->nonce); i > AES_GCM_FIXED_LEN && ++g->nonce[i - 1] == 0; i--)
		;
}

static int
aes_gcm_set_key(struct ssh_cipher_struct *cipher, void *key, void *iv)
{
	struct aes_gcm *g = aligned_alloc(_Alignof(struct aes_gcm), sizeof(*g));

	if (g == NULL)
		return SSH_ERROR;
	if (cipher->keysize == 128) {
		IMB_AES128_GCM_PRE(aes_gcm_mgr, key, &g->key);
		g->encrypt = aes_gcm_mgr->gcm128_enc;
		g->decrypt = aes_gcm_mgr->gcm128_dec;
	} else {
		IMB_AES256_GCM_PRE(aes_gcm_mgr, key, &g->key);
		g->encrypt = aes_gcm_mgr->gcm256_enc;
		g->decrypt = aes_gcm_mgr->gcm256_dec;
	}
	memcpy(g->nonce, iv, sizeof(g->nonce));
	cipher->aes_key = (struct ssh_aes_key_schedule *)g;
	return SSH_OK;
}

static void
aes_gcm_cleanup(struct ssh_cipher_struct *cipher)
{
	struct aes_gcm *g = aes_gcm_state(cipher);

	if (g == NULL)
		return;
	explicit_bzero(g, sizeof(*g));
	free(g);
	cipher->aes_key = NULL;
}

/* The length in front of a packet is authenticated, but not encrypted. */
static void
aes_gcm_encrypt(struct ssh_cipher_struct *cipher, void *in, void *out, size_t len, uint8_t *tag,
    uint64_t seq)
{
	struct aes_gcm *g = aes_gcm_state(cipher);
	size_t aad = cipher->lenfield_blocksize;
	struct gcm_context_data ctx;

	memcpy(out, in, aad);
	g->encrypt(&g->key, &ctx, (uint8_t *)out + aad, (uint8_t *)in + aad, len - aad, g->nonce,
	    in, aad, tag, cipher->tag_size);
	aes_gcm_count_packet(g);
}

static int
aes_gcm_decrypt(struct ssh_cipher_struct *cipher, void *packet, uint8_t *out, size_t len,
    uint64_t seq)
{
	struct aes_gcm *g = aes_gcm_state(cipher);
	size_t aad = cipher->lenfield_blocksize;
	const uint8_t *in = (const uint8_t *)packet + aad;
	struct gcm_context_data ctx;
	uint8_t tag[AES_GCM_TAGLEN];

	g->decrypt(&g->key, &ctx, out, in, len, g->nonce, packet, aad, tag, sizeof(tag));
	if (sodium_memcmp(tag, in + len, sizeof(tag)) != 0)
		return SSH_ERROR;
	aes_gcm_count_packet(g);
	return SSH_OK;
}

void
aes_gcm_init(void)
{
	struct ssh_cipher_struct *cipher;

	if (aes_gcm_mgr != NULL)
		return;
	aes_gcm_mgr = alloc_mb_mgr(0);
	if (aes_gcm_mgr == NULL)
		return;
	if ((aes_gcm_mgr->features & AES_GCM_FEATURES) != AES_GCM_FEATURES) {
		free_mb_mgr(aes_gcm_mgr);
		aes_gcm_mgr = NULL;
		return;
	}
	init_mb_mgr_auto(aes_gcm_mgr, NULL);
	if (imb_get_errno(aes_gcm_mgr) != 0) {
		free_mb_mgr(aes_gcm_mgr); /* its self-test has failed */
		aes_gcm_mgr = NULL;
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
	return aes_gcm_mgr != NULL ? imb_get_version_str() : NULL;
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
