/*
 * sallyport key generate and key add, called by key.c; and the host key that sallyport init
 * makes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/names.h"
#include "base/readpass.h"
#include "cli/cli.h"
#include "cli/key.h"
#include "conf/conf.h"
#include "formats/pubkey.h"
#include "transport/keys.h"

#define KEY_TEXT_MAX 65536
/* Attempts at the passphrase of a key file: as many as ssh(1) asks for a password. */
#define PASSPHRASE_TRIES 3

/* The name is checked first, so that nobody enters a passphrase in vain. */
static int
key_add_name_ok(const char *name)
{
	struct reason why;

	if (strcmp(name, CONF_KEY_AGENT) == 0)
		reason_set(&why,
		    "no key can be called agent: Key = agent means the user's own agent");
	else if (key_name_check(name, &why) == 0)
		return 1;
	fprintf(stderr, "sallyport: %s\n", why.text);
	return 0;
}

/* The names in HostKey, if a configuration is read and can be; else NULL.  Free the configuration. */
static const struct strlist *
key_add_host_keys(const struct key_args *a, struct conf **conf)
{
	struct conf_errors errors = { 0 };
	int r = ERR_NOTFOUND;

	*conf = NULL;
	if (a->store == NULL)
		r = conf_load(a->conf_dir, CONF_GATEWAY, conf, &errors);
	conf_errors_free(&errors);
	return r == 0 ? &(*conf)->gateway.host_keys : NULL;
}

/* Say what to do with the public half, which has been printed. */
static void
key_add_explain(const struct key_args *a, const char *fingerprint)
{
	char where[KEY_WHERE_SIZE];
	struct conf *conf;
	const struct strlist *host_keys = key_add_host_keys(a, &conf);
	int named = host_keys != NULL && strlist_has(host_keys, a->name);

	fflush(stdout);
	if (named)
		fprintf(stderr,
		    "This is the gateway's own host key. ssh asks users to confirm its "
		    "fingerprint:\n"
		    "%s\n",
		    fingerprint);
	else
		fprintf(stderr,
		    "To log in with it upstream (Key = %s in a route), append this line to\n"
		    "~/.ssh/authorized_keys there; better, append that of `sallyport key public "
		    "%s --for LOGIN%s`,\n"
		    "whose options make the upstream enforce what the route allows.\n"
		    "As a host key of the gateway itself (HostKey = %s), its fingerprint is\n"
		    "%s.\n"
		    "As an authority that certifies each login (Key = ca:%s in a route), its line for "
		    "the upstreams\n"
		    "is that of `sallyport ca public %s`, and belongs into no authorized_keys.\n",
		    a->name, a->name, a->store == NULL ? key_where(a, where) : "", a->name,
		    fingerprint, a->name, a->name);
	/* a mapped key is not called so */
	if (host_keys != NULL && host_keys->n > (size_t)named && strncmp(a->name, "host", 4) == 0)
		fprintf(stderr,
		    "To replace a host key of the same type, name this one behind it first, and in "
		    "its place\n"
		    "when clients have learned it, so that nobody is warned: HostKey in "
		    "sallyport.conf(5).\n");
	conf_free(&conf);
}

/* Store a new key and say what to do with its public half. */
static int
key_add_store(const struct key_args *a, const char *type, struct secret *priv,
    const struct buf *pub)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct reason why = { "" };
	struct keystore *ks;
	int status, r;

	if ((status = key_store_open(a, 1, &ks)) != CLI_OK)
		return status;
	r = a->replace ? keystore_replace(ks, a->name, type, priv, pub, &why) :
			 keystore_add(ks, a->name, type, priv, pub, &why);
	keystore_free(&ks);
	if (r != 0)
		return key_fail_add(a, &why, r);
	status = key_print_public(a->name, pub);
	if (status == CLI_OK && !a->quiet) {
		pubkey_fingerprint(buf_bytes(pub), fingerprint);
		key_add_explain(a, fingerprint);
	}
	return status;
}

int
key_generate_cmd(const struct key_args *a)
{
	struct secret *priv;
	struct buf pub;
	char type[64];
	int status, r;

	if (!key_add_name_ok(a->name))
		return CLI_USAGE;
	buf_init(&pub, KEY_BLOB_MAX);
	r = key_generate(a->type == NULL ? "ed25519" : a->type, &priv, &pub, type);
	if (r == 0) {
		status = key_add_store(a, type, priv, &pub);
	} else if (r == ERR_ALGORITHM) {
		fprintf(stderr, "sallyport: --type is ed25519, rsa or ecdsa\n");
		status = CLI_USAGE;
	} else {
		fprintf(stderr, "sallyport: no key could be made: %s\n", err_str(r));
		status = CLI_FAILED;
	}
	secret_free(&priv);
	buf_free(&pub);
	return status;
}

int
cli_key_make(const char *conf_dir, const char *name, char *fingerprint, size_t size)
{
	char type[64], hash[PUBKEY_FINGERPRINT_SIZE];
	const struct key_args a = { .conf_dir = conf_dir };
	struct reason why = { "no key could be made" };
	struct keystore *ks = NULL;
	struct secret *priv;
	struct buf pub;
	int status, r;

	(void)prctl(PR_SET_DUMPABLE, 0);
	buf_init(&pub, KEY_BLOB_MAX);
	status = key_store_open(&a, 1, &ks);
	if (status == CLI_OK) {
		r = key_generate("ed25519", &priv, &pub, type);
		if (r == 0)
			r = keystore_add(ks, name, type, priv, &pub, &why);
		secret_free(&priv);
		if (r != 0)
			status = key_fail(&why, r);
	}
	if (status == CLI_OK) {
		pubkey_fingerprint(buf_bytes(&pub), hash);
		snprintf(fingerprint, size, "%s %s", pubkey_type_short(type), hash);
	}
	keystore_free(&ks);
	buf_free(&pub);
	return status;
}

/* *is_open is set if other users may read the file. */
static int
key_add_read(const char *path, struct buf *text, int *is_open)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

	*is_open = 0;
	if (fd == -1 || fstat(fd, &st) == -1) {
		fprintf(stderr, "sallyport: %s: %s\n", path, strerror(errno));
		fd_close(&fd);
		return CLI_FAILED;
	}
	*is_open = S_ISREG(st.st_mode) && (st.st_mode & 077) != 0;
	r = fd_read_all(fd, text);
	if (r != 0)
		fprintf(stderr, "sallyport: %s: %s\n", path,
		    r == ERR_TOOBIG ? "is too large to be a key" : err_str(r));
	fd_close(&fd);
	return r == 0 ? CLI_OK : CLI_FAILED;
}

/* Ask for the passphrase of the file: on a terminal up to PASSPHRASE_TRIES times. */
static int
key_add_decrypt(const char *path, const struct buf *text, struct secret **priv, struct buf *pub,
    char type[64])
{
	struct secret *passphrase;
	char *prompt;
	int tries, r = ERR_AUTH;

	if (asprintf(&prompt, "Passphrase of %s: ", path) == -1)
		return ERR_NOMEM;
	for (tries = isatty(STDIN_FILENO) ? PASSPHRASE_TRIES : 1; tries > 0 && r == ERR_AUTH;
	     tries--) {
		r = readpass(prompt, &passphrase);
		if (r == 0) {
			r = key_import((const char *)text->data, text->len,
			    (const char *)secret_open(passphrase), priv, pub, type);
			secret_close(passphrase);
		}
		secret_free(&passphrase);
	}
	free(prompt);
	return r;
}

/* Why a file was not imported; type is that of its key, or "". */
static const char *
key_add_import_reason(int err, const char *type, const struct buf *text)
{
	if (err == ERR_EOF)
		return "has a passphrase, and none was given: run this on a terminal, where it is "
		       "asked for, or remove it from a copy of the file with: ssh-keygen -p -f COPY";
	if (err == ERR_AUTH && !isatty(STDIN_FILENO))
		return "the first line of standard input is not its passphrase: run this on a "
		       "terminal, where it is asked for, or remove it from a copy of the file "
		       "with: ssh-keygen -p -f COPY";
	if (err == ERR_AUTH)
		return "wrong passphrase";
	if (err == ERR_ALGORITHM && strncmp(type, "sk-", 3) == 0)
		return "belongs to a security key, which the key itself cannot leave: use Key = "
		       "agent in the route, with the user's own agent";
	if (err == ERR_ALGORITHM)
		return "is of a type that cannot be used: DSA";
	if (err != ERR_FORMAT)
		return err_str(err);
	if (text->len > 20 && memcmp(text->data, "PuTTY-User-Key-File-", 20) == 0)
		return "is in PuTTY's format; convert it with: puttygen FILE -O private-openssh "
		       "-o NEWFILE";
	if ((text->len > 4 && memcmp(text->data, "ssh-", 4) == 0) ||
	    (text->len > 6 && memcmp(text->data, "ecdsa-", 6) == 0))
		return "is the public half; the private key is needed";
	return "is not a private key in OpenSSH's or PEM format";
}

/* The password for an upstream.  It is never taken from the command line, which other users
 * can see. */
static int
key_add_password(const struct key_args *a)
{
	struct reason why = { "" };
	struct secret *password;
	struct keystore *ks;
	int status, r;

	if ((status = key_store_open(a, 1, &ks)) != CLI_OK)
		return status;
	r = readpass_new("Password: ", &password);
	if (r != 0)
		reason_set(&why, "no password: %s", r == ERR_EOF ? "end of input" : err_str(r));
	else
		r = keystore_add_password(ks, a->name, password, &why);
	if (r != 0)
		status = key_fail_add(a, &why, r);
	else if (!a->quiet)
		fprintf(stderr, "To log in with it upstream: Password = %s in a route.\n", a->name);
	keystore_free(&ks);
	secret_free(&password);
	return status;
}

/* Clients know the host key, and would be warned of another one.  1, the reason said. */
static int
key_add_is_host_key(const struct key_args *a)
{
	struct conf *conf;
	const struct strlist *host_keys = key_add_host_keys(a, &conf);
	const int named = host_keys != NULL && strlist_has(host_keys, a->name);

	if (named)
		fprintf(stderr,
		    "sallyport: %s is the gateway's own host key, of which clients would be "
		    "warned: add the\n"
		    "new one under another name, and name it behind this one in HostKey; see "
		    "HostKey in\n"
		    "sallyport.conf(5).\n",
		    a->name);
	conf_free(&conf);
	return named;
}

int
key_add_cmd(const struct key_args *a)
{
	struct secret *priv = NULL;
	struct buf text, pub;
	char type[64];
	int status, r, is_open;

	if (!key_add_name_ok(a->name))
		return CLI_USAGE;
	if (a->password)
		return key_add_password(a);
	if (a->replace && key_add_is_host_key(a))
		return CLI_FAILED;
	buf_init(&text, KEY_TEXT_MAX);
	buf_init(&pub, KEY_BLOB_MAX);
	if ((status = key_add_read(a->file, &text, &is_open)) != CLI_OK)
		goto out;
	r = key_import((const char *)text.data, text.len, NULL, &priv, &pub, type);
	if (r == ERR_AUTH)
		r = key_add_decrypt(a->file, &text, &priv, &pub, type);
	if (r != 0) {
		fprintf(stderr, "sallyport: %s: %s\n", a->file,
		    key_add_import_reason(r, type, &text));
		status = CLI_FAILED;
	} else {
		if (is_open)
			fprintf(stderr,
			    "sallyport: warning: others may read %s, and may have copied the "
			    "key\n",
			    a->file);
		status = key_add_store(a, type, priv, &pub);
	}
out:
	secret_free(&priv);
	buf_free(&pub);
	buf_wipe(&text);
	return status;
}
