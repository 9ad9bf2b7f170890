/*
 * Reading and judging certificates, keys, authorities and revocation lists of the [tls] sections: see tls_files.h.  These
 * files are the operator's; what clients send is read by the process of their connection alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "access/tls_files.h"
#include "base/fd.h"
#include "wire/wire.h"

/* A chain has three certificates of 2 KiB. */
#define TLS_FILES_CHAIN_MAX (64 * 1024)
/* Each connection's process reads these anew, and has 48 MiB: 100,000 revoked certificates have 4 MiB. */
#define TLS_FILES_CLIENT_MAX (4 * 1024 * 1024)

/* --- a public key as SSH has it --- */

static void
tls_files_put_number(struct buf *b, const EVP_PKEY *key, const char *name)
{
	BIGNUM *n = NULL;
	uint8_t *bytes;
	int len;

	if (EVP_PKEY_get_bn_param(key, name, &n) != 1 || (len = BN_num_bytes(n)) <= 0 ||
	    (bytes = calloc(1, (size_t)len + 1)) == NULL) {
		BN_free(n);
		b->err = ERR_FORMAT;
		return;
	}
	(void)BN_bn2bin(n, bytes + 1);
	if ((bytes[1] & 0x80) != 0)
		wire_put_string(b, bytes, (size_t)len + 1);
	else
		wire_put_string(b, bytes + 1, (size_t)len);
	free(bytes);
	BN_free(n);
}

static void
tls_files_put_point(struct buf *b, const EVP_PKEY *key)
{
	static const char *const curves[][2] = { { "prime256v1", "nistp256" },
		{ "secp384r1", "nistp384" }, { "secp521r1", "nistp521" } };
	char curve[64] = "";
	uint8_t point[160];
	size_t i, len;

	(void)EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL);
	for (i = 0; i < 3 && strcmp(curve, curves[i][0]) != 0; i++)
		;
	if (i == 3 ||
	    EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
		&len) != 1) {
		b->err = ERR_ALGORITHM;
		return;
	}
	snprintf(curve, sizeof(curve), "ecdsa-sha2-%s", curves[i][1]);
	wire_put_text(b, curve);
	wire_put_text(b, curves[i][1]);
	wire_put_string(b, point, len);
}

/* Append the public blob (RFC 4253 section 6.6).  0, or ERR_ALGORITHM for a key of another type. */
static int
tls_files_blob(const EVP_PKEY *key, struct buf *b)
{
	uint8_t raw[32];
	size_t len = sizeof(raw);

	if (EVP_PKEY_is_a(key, "RSA")) {
		wire_put_text(b, "ssh-rsa");
		tls_files_put_number(b, key, OSSL_PKEY_PARAM_RSA_E);
		tls_files_put_number(b, key, OSSL_PKEY_PARAM_RSA_N);
	} else if (EVP_PKEY_is_a(key, "EC")) {
		tls_files_put_point(b, key);
	} else if (EVP_PKEY_is_a(key, "ED25519") &&
	    EVP_PKEY_get_raw_public_key(key, raw, &len) == 1) {
		wire_put_text(b, "ssh-ed25519");
		wire_put_string(b, raw, len);
	} else {
		return ERR_ALGORITHM;
	}
	return buf_err(b) != 0 ? ERR_ALGORITHM : 0;
}

/* --- reading --- */

/* Put the keyword in front of what is wrong with its file. */
static void
tls_files_name(struct reason *why, const char *keyword)
{
	const struct reason bare = *why;

	reason_set(why, "%s: %s", keyword, bare.text);
}

/* Append a file to all; *len grows by it.  0, or an ERR_* with why. */
static int
tls_files_read(const struct conf *conf, const char *path, struct buf *all, uint32_t *len,
    size_t max, struct reason *why)
{
	const size_t before = all->len;
	int r;

	r = safe_path_read(&conf->file_rule, path, all, why);
	/* a file without a newline at its end must not run into the next */
	buf_put(all, "\n", 1);
	if (r == 0 && (buf_err(all) != 0 || all->len - before + *len > max)) {
		reason_set(why, "%.400s: larger than %zu KiB", path, max / 1024);
		r = ERR_TOOBIG;
	}
	if (r == 0)
		*len += (uint32_t)(all->len - before);
	return r;
}

/* 1 at the end of a PEM text; OpenSSL has an error for that as well. */
static int
tls_files_pem_ended(void)
{
	const unsigned long e = ERR_peek_last_error();
	const int ended = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	return ended;
}

static void
tls_files_note_time(struct tls_files *f, const char *path, const ASN1_TIME *end, const char *what)
{
	struct tm tm;
	char day[32];

	if (f->note.text[0] != '\0' || end == NULL || X509_cmp_current_time(end) > 0 ||
	    ASN1_TIME_to_tm(end, &tm) != 1)
		return;
	(void)strftime(day, sizeof(day), "%F", &tm);
	reason_set(&f->note, "%s: %s %s", path, what, day);
}

/* The key of the store has to be that of the certificate. */
static int
tls_files_check_key(const struct tls_files *f, struct keystore *ks, EVP_PKEY *key,
    struct reason *why)
{
	struct buf shown, stored;
	char type[64];
	int r;

	buf_init(&shown, 16384);
	buf_init(&stored, 16384);
	r = key == NULL ? ERR_ALGORITHM : tls_files_blob(key, &shown);
	if (r != 0) {
		reason_set(why,
		    "Certificate: %s: its key is none of RSA, ECDSA with a NIST curve, and Ed25519",
		    f->section->certificate);
	} else if (ks != NULL &&
	    (r = keystore_public(ks, f->section->key, &stored, type, why)) == 0 &&
	    !bytes_equal(buf_bytes(&shown), buf_bytes(&stored))) {
		reason_set(why, "Key: %s is not the private key of the certificate %s",
		    f->section->key, f->section->certificate);
		r = ERR_FORMAT;
	}
	buf_free(&shown);
	buf_free(&stored);
	return r;
}

/* Certificate.  0, or an ERR_* with why. */
static int
tls_files_check_chain(struct tls_files *f, struct keystore *ks, struct bytes text,
    struct reason *why)
{
	BIO *in = BIO_new_mem_buf(text.p, (int)text.len);
	X509 *x = NULL;
	int n = 0, r = 0;

	while (r == 0 && in != NULL && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		tls_files_note_time(f, f->section->certificate, X509_get0_notAfter(x),
		    n == 0 ? "the certificate has expired on" :
			     "a certificate of its chain has expired on");
		if (n++ == 0)
			r = tls_files_check_key(f, ks, X509_get0_pubkey(x), why);
		X509_free(x);
	}
	if (r == 0 && (!tls_files_pem_ended() || n == 0)) {
		reason_set(why, "Certificate: %s: not PEM certificates (BEGIN CERTIFICATE)",
		    f->section->certificate);
		r = ERR_FORMAT;
	}
	BIO_free(in);
	return r;
}

/* A file of ClientCA or, with crl, of ClientCRL. */
static int
tls_files_check_client(struct tls_files *f, const char *path, struct bytes text, int crl,
    struct reason *why)
{
	BIO *in = BIO_new_mem_buf(text.p, (int)text.len);
	X509_CRL *list;
	X509 *x;
	int n = 0;

	if (crl) {
		while (in != NULL && (list = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL)) != NULL) {
			tls_files_note_time(f, path, X509_CRL_get0_nextUpdate(list),
			    "no client of this authority is let in: its revocation list was to be "
			    "replaced by");
			X509_CRL_free(list);
			n++;
		}
	} else {
		while (in != NULL && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
			tls_files_note_time(f, path, X509_get0_notAfter(x),
			    "no client of this authority is let in: its certificate has expired on");
			X509_free(x);
			n++;
		}
	}
	BIO_free(in);
	if (tls_files_pem_ended() && n > 0)
		return 0;
	reason_set(why,
	    crl ? "ClientCRL: %s: not PEM revocation lists (BEGIN X509 CRL)" :
		  "ClientCA: %s: not PEM certificates (BEGIN CERTIFICATE)",
	    path);
	return ERR_FORMAT;
}

/* ClientCA or ClientCRL. */
static int
tls_files_read_client(const struct conf *conf, struct tls_files *f, int crl, struct buf *all,
    struct reason *why)
{
	const struct strlist *paths = crl ? &f->section->client_crl : &f->section->client_ca;
	uint32_t *len = crl ? &f->client_crl : &f->client_ca;
	size_t i, before;
	int r = 0;

	for (i = 0; i < paths->n && r == 0; i++) {
		before = all->len;
		r = tls_files_read(conf, paths->v[i], all, len, TLS_FILES_CLIENT_MAX, why);
		if (r != 0)
			tls_files_name(why, crl ? "ClientCRL" : "ClientCA");
		else
			r = tls_files_check_client(f, paths->v[i],
			    (struct bytes){ all->data + before, all->len - before }, crl, why);
	}
	return r;
}

/* The anonymous file of all texts. */
static int
tls_files_seal(struct tls_files *f, const struct buf *all, struct reason *why)
{
	f->fd = memfd_create("sallyport tls", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (f->fd != -1 && fd_write_all(f->fd, all->data, all->len) == 0 &&
	    fcntl(f->fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) ==
		0)
		return 0;
	reason_set(why, "cannot keep its files in memory: %s", strerror(errno));
	return ERR_SYS;
}

static int
tls_files_load_one(const struct conf *conf, struct keystore *ks, struct tls_files *f,
    struct reason *why)
{
	struct buf all, pub;
	int r;

	buf_init(&all, TLS_FILES_CHAIN_MAX + 2 * TLS_FILES_CLIENT_MAX + 4096);
	buf_init(&pub, 16384);
	r = tls_files_read(conf, f->section->certificate, &all, &f->chain, TLS_FILES_CHAIN_MAX,
	    why);
	if (r != 0)
		tls_files_name(why, "Certificate");
	if (r == 0)
		r = tls_files_check_chain(f, ks, buf_bytes(&all), why);
	if (r == 0)
		r = tls_files_read_client(conf, f, 0, &all, why);
	if (r == 0)
		r = tls_files_read_client(conf, f, 1, &all, why);
	if (r == 0 && ks != NULL)
		r = keystore_public(ks, f->section->key, &pub, f->type, why);
	if (r == 0 && ks != NULL)
		r = keystore_take(ks, f->section->key, &f->sealed, why);
	if (r == 0)
		r = tls_files_seal(f, &all, why);
	buf_free(&all);
	buf_free(&pub);
	return r;
}

/* A mistake in the file has a line of its own. */
int
tls_files_rules(const struct conf *conf, const struct conf_tls *section, struct client_rules **out,
    struct conf_errors *errors)
{
	const char *path = section->client_rules;
	const size_t before = errors->n;
	unsigned int line = 0;
	struct reason why;
	struct buf text;

	*out = NULL;
	if (path == NULL)
		return 0;
	buf_init(&text, CLIENT_RULES_SIZE_MAX);
	if (safe_path_read(&conf->file_rule, path, &text, &why) != 0)
		conf_error(errors, section->file, section->line, "[tls %s] ClientRules: %s",
		    section->name, why.text);
	else if (client_rules_parse(buf_bytes(&text), out, &line, &why) != 0)
		conf_error(errors, path, line, "%s", why.text);
	buf_free(&text);
	return errors->n == before ? 0 : ERR_CONFIG;
}

int
tls_files_load(const struct conf *conf, struct keystore *ks, struct tls_files_list *out,
    struct conf_errors *errors)
{
	const size_t before = errors->n;
	struct tls_files *f;
	struct reason why;
	size_t i;

	*out = (struct tls_files_list){ NULL, 0 };
	if (conf->n_tls == 0)
		return 0;
	out->v = calloc(conf->n_tls, sizeof(*out->v));
	if (out->v == NULL) {
		conf_error(errors, conf->dir, 0, "out of memory");
		return ERR_CONFIG;
	}
	for (i = 0; i < conf->n_tls; i++) {
		f = &out->v[out->n++];
		f->section = &conf->tls[i];
		f->fd = -1;
		buf_init(&f->sealed, KEYSTORE_FILE_MAX);
		reason_set(&why, "%s", "");
		if (tls_files_load_one(conf, ks, f, &why) != 0)
			conf_error(errors, f->section->file, f->section->line, "[tls %s] %s",
			    f->section->name, why.text);
		(void)!tls_files_rules(conf, f->section, &f->rules, errors);
	}
	if (errors->n == before)
		return 0;
	tls_files_free(out);
	return ERR_CONFIG;
}

void
tls_files_free(struct tls_files_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		fd_close(&list->v[i].fd);
		buf_free(&list->v[i].sealed);
		client_rules_free(&list->v[i].rules);
	}
	free(list->v);
	*list = (struct tls_files_list){ NULL, 0 };
}

const struct tls_files *
tls_files_find(const struct tls_files_list *list, const char *section)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (strcmp(list->v[i].section->name, section) == 0)
			return &list->v[i];
	return NULL;
}
