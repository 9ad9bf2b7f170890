/*
 * The directory, the keys and the certificates that the driver of the keeper plays with.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "formats/pubkey.h"
#include "base/fd.h"
#include "fuzz.h"
#include "keystore/keystore.h"
#include "keeper_world.h"
#include "transport/keys.h"

static const struct {
	char login;
	int needs;
	const char *words; /* of [route LOGIN]; %K: an AuthorizedKey line */
} routes[] = {
	{ 'k', WORLD_KEY, "%KKey = mapped\nUserKnownHostsFile = known_hosts\nMaxSessions = 3\n" },
	{ 'e', WORLD_KEY, "%EKey = mapped_ec\nUserKnownHostsFile = known_hosts\nUser = root\n" },
	{ 'h', WORLD_PASSWORD, "%HKey = mapped\nUserKnownHostsFile = known_hosts\n" },
	{ 'm', WORLD_KEY | WORLD_PASSWORD,
	    "%K%HAuthenticationMethods = publickey,password\nKey = mapped\n"
	    "UserKnownHostsFile = known_hosts\n" },
	{ 'c', WORLD_KEY,
	    "TrustedUserCAKeys = cas\nRevokedKeys = revoked\nKey = mapped\n"
	    "UserKnownHostsFile = known_hosts\n" },
	{ 's', WORLD_KEY, "%KPassword = secret\nUserKnownHostsFile = known_hosts\n" },
	{ 't', WORLD_KEY, "%KPassword = secret\nKey = mapped\nUserKnownHostsFile = known_hosts\n" },
	{ 'p', WORLD_KEY | WORLD_CARRIED,
	    "%KPassthrough = yes\nKey = mapped\nUserKnownHostsFile = known_hosts\n" },
	{ 'r', WORLD_KEY | WORLD_CARRIED | WORLD_UNSIGNED,
	    "%KPassthrough = yes\nKey = mapped\nAuthenticationMethods = publickey,password\n"
	    "UserKnownHostsFile = known_hosts\n" },
	{ 'q', WORLD_KEY | WORLD_CARRIED, "Passthrough = yes\nUserKnownHostsFile = known_hosts\n" },
	{ 'a', WORLD_KEY, "%KKey = agent\nUserKnownHostsFile = known_hosts\n" },
	{ 'n', WORLD_KEY | WORLD_ANY_HOST,
	    "%KKey = mapped\nUserKnownHostsFile = learnt\nStrictHostKeyChecking = accept-new\n" },
	{ 'o', WORLD_KEY | WORLD_ANY_HOST,
	    "%KKey = mapped\nUserKnownHostsFile = known_hosts\nStrictHostKeyChecking = no\n" },
	{ 'f', WORLD_KEY,
	    "%K%FKey = mapped\nUserKnownHostsFile = known_hosts\nHostName = b c 127.0.0.1\n" },
	{ 'w', WORLD_KEY | WORLD_HOLDS,
	    "%KMode = tunnel\nTunnelNames = w a-*\nMaxTunnels = 3\nTunnelPorts = 20000-20009\n" },
	{ 'y', WORLD_KEY,
	    "%KKey = mapped\nUserKnownHostsFile = known_hosts\nHostName = tunnel:w\n" },
	{ 'z', WORLD_HOLDS, "Mode = tunnel\nAuthenticationMethods = none\nMaxTunnels = 1\n" },
	{ 'v', WORLD_KEY, "%KKey = mapped\nUserKnownHostsFile = known_hosts\nProxyJump = hop\n" },
	{ 'b', WORLD_KEY | WORLD_CODE,
	    "%KKey = mapped\nUserKnownHostsFile = known_hosts\nTOTP = code\nTotpSkew = 10\n" },
	{ 'd', WORLD_KEY | WORLD_FACTOR,
	    "%KKey = mapped\nUserKnownHostsFile = known_hosts\nFactor = exec:/bin/true\n" },
	{ 'g', WORLD_FACTOR,
	    "Key = mapped\nUserKnownHostsFile = known_hosts\nFactor = exec:/bin/true\n"
	    "AuthenticationMethods = keyboard-interactive:factor\n" },
	{ 'i', WORLD_KEY, "%KKey = ca:mapped\nUserKnownHostsFile = known_hosts\n" },
	{ 'j', WORLD_KEY | WORLD_CARRIED,
	    "%KPassthrough = yes\nKey = ca:mapped\nUserKnownHostsFile = known_hosts\n" },
	{ 'l', WORLD_KEY,
	    "%KKey = ca-agent:/agent\nCertificateAuthority = cas\nUserKnownHostsFile = known_hosts\n" },
};

#define NROUTES (sizeof(routes) / sizeof(routes[0]))

const char world_logins[] = "kehmcstpqanofxurvwyzbdgijl";

int
world_needs(char login)
{
	size_t i;

	for (i = 0; i < NROUTES; i++)
		if (routes[i].login == login)
			return routes[i].needs;
	return WORLD_KEY; /* as world_route_text() has it */
}

static void
key_make(struct world_key *k, const char *kind)
{
	buf_init(&k->pub, 1024);
	CHECK(key_generate(kind, &k->priv, &k->pub, k->type) == 0);
}

void
world_sign(const struct world_key *k, const void *data, size_t len, struct buf *sig)
{
	CHECK(key_sign(k->priv, k->type, k->type, data, len, sig) == 0);
}

static struct bytes
public_of(const struct world_key *k)
{
	return buf_bytes(&k->pub);
}

/* A certificate for a person (PROTOCOL.certkeys of OpenSSH) that is always valid. */
static void
certify(const struct world_key *key, const struct world_key *ca, struct buf *out)
{
	struct buf sig, principals;
	struct wire w;

	buf_init(&sig, 512);
	buf_init(&principals, 64);
	wire_put_text(&principals, "c");
	wire_init(&w, key->pub.data, key->pub.len);
	(void)wire_string(&w);
	buf_init(out, 4096);
	wire_put_text(out, "ssh-ed25519-cert-v01@openssh.com");
	wire_put_text(out, "nonce");
	wire_put_bytes(out, wire_string(&w));
	wire_put_u64(out, 7); /* serial */
	wire_put_u32(out, 1); /* a user's */
	wire_put_text(out, "an id");
	wire_put_string(out, principals.data, principals.len);
	wire_put_u64(out, 0);
	wire_put_u64(out, UINT64_MAX);
	wire_put_text(out, ""); /* critical options */
	wire_put_text(out, ""); /* extensions */
	wire_put_text(out, "");
	wire_put_bytes(out, public_of(ca));
	world_sign(ca, out->data, out->len, &sig);
	wire_put_string(out, sig.data, sig.len);
	CHECK(buf_err(out) == 0);
	buf_free(&principals);
	buf_free(&sig);
}

static void
file_write(const struct world *w, const char *name, const struct buf *text, mode_t mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	f = fopen(path, "w");
	CHECK(f != NULL && fwrite(text->data, 1, text->len, f) == text->len && fclose(f) == 0);
	CHECK(chmod(path, mode) == 0);
}

/* The line "WORDS TYPE BASE64". */
static void
put_line(struct buf *b, const char *words, const struct world_key *key)
{
	buf_putf(b, "%s", words);
	pubkey_format(public_of(key), b);
	buf_put(b, "\n", 1);
}

static void
put_words(const struct world *w, const char *words, struct buf *b)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];

	for (; *words != '\0'; words++) {
		if (*words != '%') {
			buf_put_u8(b, (uint8_t)*words);
			continue;
		}
		switch (*++words) {
		case 'K':
			put_line(b, "AuthorizedKey = ", &w->person);
			break;
		case 'E':
			put_line(b, "AuthorizedKey = no-pty,from=\"127.0.0.0/8\" ", &w->person);
			break;
		case 'F':
			pubkey_fingerprint(public_of(&w->person), fingerprint);
			buf_putf(b, "MatchFingerprint = %s\n", fingerprint);
			break;
		case 'H':
			/* nobody computes it: the driver says whether the password is right */
			buf_putf(b,
			    "PasswordHash = $argon2id$v=19$m=8,t=1,p=1$"
			    "c29tZXNhbHRzb21lc2FsdA$"
			    "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE\n");
			break;
		}
	}
}

/* tls.pem, a certificate that anybody has signed. */
static void
write_certificate(const struct world *w)
{
	EVP_PKEY *signer = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), *key;
	BIO *out = BIO_new(BIO_s_mem());
	X509 *x = X509_new();
	struct wire blob;
	struct bytes raw;
	struct buf text;
	char *p;
	long n;

	wire_init(&blob, w->tls.pub.data, w->tls.pub.len);
	(void)wire_string(&blob);
	raw = wire_string(&blob);
	key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw.p, raw.len);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	CHECK(key != NULL && X509_set_pubkey(x, key) == 1 && X509_sign(x, signer, NULL) > 0 &&
	    PEM_write_bio_X509(out, x) == 1);
	n = BIO_get_mem_data(out, &p);
	buf_init(&text, 4096);
	buf_put(&text, p, (size_t)n);
	file_write(w, "tls.pem", &text, 0644);
	buf_free(&text);
	BIO_free(out);
	X509_free(x);
	EVP_PKEY_free(key);
	EVP_PKEY_free(signer);
}

static void
write_conf(const struct world *w)
{
	struct buf b;
	size_t i;

	buf_init(&b, 65536);
	buf_putf(&b,
	    "[gateway]\nListenAddress = 127.0.0.1:2222\nHostKey = host host_ec\nLogLevel = DEBUG\n"
	    "[keystore]\nPath = keys\nUnlock = file:keys/.unlock\n"
	    "[tls main]\nCertificate = tls.pem\nKey = tls\n"
	    "[tls people]\nCertificate = tls.pem\nKey = tls\nClientCA = tls.pem\n"
	    "[lookup]\nOrder = ini exec\n[lookup exec]\nCommand = /bin/true\n");
	for (i = 0; i < NROUTES; i++) {
		buf_putf(&b, "[route %c]\n", routes[i].login);
		if (strstr(routes[i].words, "HostName") == NULL &&
		    strstr(routes[i].words, "Mode") == NULL)
			buf_putf(&b, "HostName = 127.0.0.1\n");
		put_words(w, routes[i].words, &b);
	}
	buf_putf(&b,
	    "[route hop]\nMode = hop\nHostName = 127.0.0.1\nKey = mapped_ec\n"
	    "UserKnownHostsFile = known_hosts\n");
	CHECK(buf_err(&b) == 0);
	file_write(w, "conf.d/all.ini", &b, 0644);
	buf_reset(&b);
	put_line(&b, "127.0.0.1,tunnel:w ", &w->machine);
	file_write(w, "known_hosts", &b, 0644);
	buf_reset(&b);
	put_line(&b, "", &w->ca);
	file_write(w, "cas", &b, 0644);
	buf_reset(&b);
	put_line(&b, "", &w->stranger);
	file_write(w, "revoked", &b, 0644);
	buf_free(&b);
}

static void
store_add(struct keystore *ks, const char *name, struct world_key *key)
{
	struct reason why;

	CHECK(keystore_add(ks, name, key->type, key->priv, &key->pub, &why) == 0);
}

static void
write_store(struct world *w)
{
	char path[128], unlock[160];
	struct reason why;
	struct secret *password;
	struct keystore *ks;

	snprintf(path, sizeof(path), "%s/keys", w->dir);
	snprintf(unlock, sizeof(unlock), "file:%s/.unlock", path);
	if (keystore_open(path, unlock, 1, &ks, &why) != 0) {
		fprintf(stderr, "%s\n", why.text);
		abort();
	}
	store_add(ks, "host", &w->host);
	store_add(ks, "host_ec", &w->host_ec);
	store_add(ks, "mapped", &w->mapped);
	store_add(ks, "mapped_ec", &w->mapped_ec);
	store_add(ks, "tls", &w->tls);
	password = secret_from(WORLD_PASSWORD_TEXT, sizeof(WORLD_PASSWORD_TEXT));
	CHECK(password != NULL && keystore_add_password(ks, "secret", password, &why) == 0);
	secret_free(&password);
	totp_new(&w->totp);
	CHECK(keystore_add_totp(ks, "code", &w->totp, 0, &why) == 0);
	keystore_free(&ks);
}

void
world_make(struct world *w)
{
	char path[128];

	memset(w, 0, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "/tmp/keeper_world.XXXXXX");
	CHECK(sodium_init() != -1 && mkdtemp(w->dir) != NULL);
	snprintf(path, sizeof(path), "%s/conf.d", w->dir);
	CHECK(mkdir(path, 0755) == 0);
	key_make(&w->host, "ed25519");
	key_make(&w->host_ec, "ecdsa");
	key_make(&w->mapped, "ed25519");
	key_make(&w->mapped_ec, "ecdsa");
	key_make(&w->person, "ed25519");
	key_make(&w->stranger, "ed25519");
	key_make(&w->machine, "ed25519");
	key_make(&w->foreign, "ed25519");
	key_make(&w->ca, "ed25519");
	key_make(&w->tls, "ed25519");
	certify(&w->person, &w->ca, &w->certificate);
	certify(&w->person, &w->stranger, &w->forged);
	write_store(w);
	write_certificate(w);
	write_conf(w);
}

static void
key_drop(struct world_key *k)
{
	secret_free(&k->priv);
	buf_free(&k->pub);
}

void
world_remove(struct world *w)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", w->dir);
	CHECK(system(command) == 0);
	key_drop(&w->host);
	key_drop(&w->host_ec);
	key_drop(&w->mapped);
	key_drop(&w->mapped_ec);
	key_drop(&w->person);
	key_drop(&w->stranger);
	key_drop(&w->machine);
	key_drop(&w->foreign);
	key_drop(&w->ca);
	key_drop(&w->tls);
	buf_free(&w->certificate);
	buf_free(&w->forged);
}

void
world_route_text(const struct world *w, struct buf *out)
{
	buf_putf(out, "HostName = 127.0.0.1\nKey = mapped\nUserKnownHostsFile = %s/known_hosts\n",
	    w->dir);
	put_line(out, "AuthorizedKey = ", &w->person);
}

void
world_code(struct world *w, char code[TOTP_DIGITS_MAX + 1])
{
	const int64_t now = time(NULL) / w->totp.step;

	w->step = w->step < now - 5 ? now - 5 : w->step + 1;
	CHECK(totp_code(&w->totp, w->step, code) == 0);
}

int
world_learnt(const struct world *w, struct buf *out)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/learnt", w->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	CHECK(fd_read_all(fd, out) == 0);
	fd_close(&fd);
	return 1;
}

void
world_forget_hosts(const struct world *w)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/learnt", w->dir);
	(void)unlink(path);
}
