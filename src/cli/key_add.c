/*
 * sallyport key generate, and add: what brings a key or password into the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/pubkey.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/key.h"
#include "conf/conf.h"
#include "base/readpass.h"
#include "transport/keys.h"

#define KEY_TEXT_MAX 65536
#define TRIES 3 /* at a key file's passphrase */

/* Before a passphrase is asked for or a key made in vain. */
static int
name_ok(const char *name)
{
	char shown[80];

	if (strcmp(name, CONF_KEY_AGENT) == 0) {
		fputs("sallyport: no key can be called agent: Key = agent means the person's own "
		      "agent\n",
		    stderr);
		return 0;
	}
	if (keystore_name_ok(name))
		return 1;
	fprintf(stderr,
	    "sallyport: \"%s\" cannot be the name of a key: 1 to 64 of A-Z a-z 0-9 . _ @ + -, not "
	    "starting with . or -, not ending in .pub\n",
	    log_vis(shown, sizeof(shown), name, strlen(name)));
	return 0;
}

/* Store a new key and say what to do with its public half. */
static int
keep(const struct key_args *a, const char *type, struct secret *priv, const struct buf *pub)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct reason why = { "" };
	struct keystore *ks;
	int status, r;

	if ((status = key_store_open(a, 1, &ks)) != CLI_OK)
		return status;
	r = keystore_add(ks, a->name, type, priv, pub, &why);
	keystore_free(&ks);
	if (r != 0)
		return key_fail(&why, r);
	status = key_print_public(a->name, pub);
	if (status == CLI_OK) {
		fflush(stdout);
		pubkey_fingerprint((struct bytes){ pub->data, pub->len }, fingerprint);
		fprintf(stderr,
		    "To log in with it upstream (Key = %s in a route), append this line to\n"
		    "~/.ssh/authorized_keys there, or better, with the options by which the machine\n"
		    "keeps what the route says, that of: sallyport key public %s --for LOGIN\n"
		    "As a key of the gateway itself (HostKey = %s), its fingerprint is\n%s.\n",
		    a->name, a->name, a->name, fingerprint);
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

	if (!name_ok(a->name))
		return CLI_USAGE;
	buf_init(&pub, KEY_BLOB_MAX);
	r = key_generate(a->type == NULL ? "ed25519" : a->type, &priv, &pub, type);
	if (r == 0) {
		status = keep(a, type, priv, &pub);
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
		pubkey_fingerprint((struct bytes){ pub.data, pub.len }, hash);
		snprintf(fingerprint, size, "%s %s", pubkey_type_short(type), hash);
	}
	keystore_free(&ks);
	buf_free(&pub);
	return status;
}

/* *is_open: others may read the file. */
static int
read_key_file(const char *path, struct buf *text, int *is_open)
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

/* Ask for the file's passphrase and try it, more than once on a terminal. */
static int
import_encrypted(const char *path, const struct buf *text, struct secret **priv, struct buf *pub,
    char type[64])
{
	struct secret *passphrase;
	char *prompt;
	int tries, r = ERR_AUTH;

	if (asprintf(&prompt, "Passphrase of %s: ", path) == -1)
		return ERR_NOMEM;
	for (tries = isatty(STDIN_FILENO) ? TRIES : 1; tries > 0 && r == ERR_AUTH; tries--) {
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

/* type: that of the key, if it is known. */
static const char *
import_reason(int err, const char *type, const struct buf *text)
{
	if (err == ERR_EOF)
		return "has a passphrase, and none was given: run this on a terminal, where it is "
		       "asked for, or take it off a copy of the file with: ssh-keygen -p -f COPY";
	if (err == ERR_AUTH && !isatty(STDIN_FILENO))
		return "the first line of standard input is not its passphrase: run this on a "
		       "terminal, where it is asked for, or take it off a copy of the file with: "
		       "ssh-keygen -p -f COPY";
	if (err == ERR_AUTH)
		return "wrong passphrase";
	if (err == ERR_ALGORITHM && strncmp(type, "sk-", 3) == 0)
		return "is a security key's, and the key itself does not leave its token: with "
		       "Key = agent in the route it is used from the person's own agent";
	if (err == ERR_ALGORITHM)
		return "is of a kind that cannot be used: DSA";
	if (err != ERR_FORMAT)
		return err_str(err);
	if (text->len > 20 && memcmp(text->data, "PuTTY-User-Key-File-", 20) == 0)
		return "is in PuTTY's format; convert it with: puttygen FILE -O private-openssh "
		       "-o NEWFILE";
	if ((text->len > 4 && memcmp(text->data, "ssh-", 4) == 0) ||
	    (text->len > 6 && memcmp(text->data, "ecdsa-", 6) == 0))
		return "is the public half; the private key is wanted";
	return "is not a private key in OpenSSH's or PEM format";
}

/* A password to log in with upstream.  It never stands on a command line. */
static int
add_password(const struct key_args *a)
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
		status = key_fail(&why, r);
	else
		fprintf(stderr, "To log in with it upstream: Password = %s in a route.\n", a->name);
	keystore_free(&ks);
	secret_free(&password);
	return status;
}

int
key_add_cmd(const struct key_args *a)
{
	struct secret *priv = NULL;
	struct buf text, pub;
	char type[64];
	int status, r, is_open;

	if (!name_ok(a->name))
		return CLI_USAGE;
	if (a->password)
		return add_password(a);
	buf_init(&text, KEY_TEXT_MAX);
	buf_init(&pub, KEY_BLOB_MAX);
	if ((status = read_key_file(a->file, &text, &is_open)) != CLI_OK)
		goto out;
	r = key_import((const char *)text.data, text.len, NULL, &priv, &pub, type);
	if (r == ERR_AUTH)
		r = import_encrypted(a->file, &text, &priv, &pub, type);
	if (r != 0) {
		fprintf(stderr, "sallyport: %s: %s\n", a->file, import_reason(r, type, &text));
		status = CLI_FAILED;
	} else {
		if (is_open)
			fprintf(stderr,
			    "sallyport: warning: others may read %s: whoever did has "
			    "the key\n",
			    a->file);
		status = keep(a, type, priv, &pub);
	}
out:
	secret_free(&priv);
	buf_free(&pub);
	buf_wipe(&text);
	return status;
}
