/*
 * sallyport key: the keys in the key store.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/pubkey.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/cli.h"
#include "conf/conf.h"
#include "keeper/keystore.h"
#include "keeper/passphrase.h"
#include "transport/keys.h"

#define KEY_TEXT_MAX 65536
#define BLOB_MAX 16384
#define TRIES 3 /* at a key file's passphrase */
#define RUN_AS "sallyport"

static const char usage[] =
    "usage: sallyport key generate NAME [--type ed25519|rsa|ecdsa]\n"
    "       sallyport key add NAME FILE\n"
    "       sallyport key list | public NAME | remove NAME\n"
    "       sallyport key rewrap [--unlock SPEC]\n"
    "       each with [-c DIR], or [--store DIR] [--unlock SPEC] without a configuration\n";

static const char help[] =
    "\n"
    "  generate  make a key, print its public half\n"
    "  add       take over the private key in FILE (OpenSSH or PEM), print its public half\n"
    "  list      name, type and fingerprint of every key\n"
    "  public    print the public half, as authorized_keys wants it\n"
    "  remove    delete a key\n"
    "  rewrap    unlock the store with something else from now on; its keys stay\n"
    "\n"
    "  -c DIR         the configuration; [keystore] in it says where the store is and what\n"
    "                 unlocks it (default: /etc/sallyport/conf.d if it exists, else ./conf.d)\n"
    "  --store DIR    this store, no configuration is read\n"
    "  --unlock SPEC  file:PATH, credential:NAME or passphrase; for rewrap the new one\n"
    "                 (default with --store: file:DIR/.unlock)\n"
    "  --from SPEC    for rewrap: the old one, if not what the configuration says\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage, 78 configuration error.\n";

struct args {
	const char *conf_dir;
	const char *store;
	const char *unlock;
	const char *from;
	const char *type;
	const char *name;
	const char *file;
};

/* Where the store is and what opens it. */
struct place {
	char *path;
	char *unlock;
	char *run_as; /* NULL: no configuration */
};

static int
fail(const struct keystore_why *why, int err)
{
	fprintf(stderr, "sallyport: %s\n", why->text);
	return err == ERR_CONFIG ? CLI_USAGE : CLI_FAILED;
}

static int
fail_memory(void)
{
	fprintf(stderr, "sallyport: out of memory\n");
	return CLI_FAILED;
}

/* --- which store --- */

static void
place_free(struct place *p)
{
	free(p->path);
	free(p->unlock);
	free(p->run_as);
}

static int
place_from_conf(const char *dir, struct place *p)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	int r;

	r = conf_load(dir, CONF_GATEWAY, &conf, &errors);
	conf_errors_print(&errors, stderr);
	conf_errors_free(&errors);
	if (r != 0)
		return CLI_CONFIG;
	p->path = strdup(conf->keystore.path);
	p->unlock = strdup(conf->keystore.unlock);
	p->run_as = strdup(conf->gateway.run_as != NULL ? conf->gateway.run_as : RUN_AS);
	conf_free(&conf);
	if (p->path == NULL || p->unlock == NULL || p->run_as == NULL)
		return fail_memory();
	return CLI_OK;
}

static int
place_get(const struct args *a, struct place *p)
{
	int status;

	*p = (struct place){ 0 };
	if (a->store != NULL) {
		p->path = strdup(a->store);
		if (asprintf(&p->unlock, "file:%s/.unlock", a->store) == -1)
			p->unlock = NULL;
	} else if ((status = place_from_conf(a->conf_dir, p)) != CLI_OK) {
		return status;
	}
	return p->path == NULL || p->unlock == NULL ? fail_memory() : CLI_OK;
}

/*
 * Root makes a store for the user that the gateway will run as.  The key store
 * gives its files to the directory's owner; here the directory gets its own,
 * unless there is a store in it already.
 */
static void
place_give(const struct place *p)
{
	const struct passwd *pw;
	struct stat st;
	int fd;

	if (geteuid() != 0 || p->run_as == NULL || (pw = getpwnam(p->run_as)) == NULL)
		return;
	(void)mkdir(p->path, 0700);
	fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return; /* keystore_open() says why */
	if (fstat(fd, &st) == 0 && st.st_uid == 0 &&
	    faccessat(fd, ".store", F_OK, AT_SYMLINK_NOFOLLOW) == -1 &&
	    fchown(fd, pw->pw_uid, pw->pw_gid) == -1)
		fprintf(stderr, "sallyport: %s: cannot be given to user %s: %s\n", p->path,
		    p->run_as, strerror(errno));
	fd_close(&fd);
}

static int
open_store(const struct args *a, int create, struct keystore **ks)
{
	struct keystore_why why = { "" };
	struct place p;
	int status, r;

	*ks = NULL;
	status = place_get(a, &p);
	if (status == CLI_OK) {
		if (create)
			place_give(&p);
		r = keystore_open(p.path, a->unlock != NULL ? a->unlock : p.unlock, create, ks,
		    &why);
		if (r != 0)
			status = fail(&why, r);
	}
	place_free(&p);
	return status;
}

/* --- the commands --- */

static int
print_public(const char *name, const struct buf *pub)
{
	struct buf line;
	const char *text;

	buf_init(&line, BLOB_MAX * 2);
	pubkey_format((struct bytes){ pub->data, pub->len }, &line);
	text = buf_cstr(&line);
	if (text == NULL) {
		buf_free(&line);
		return fail_memory();
	}
	printf("%s %s\n", text, name);
	buf_free(&line);
	return CLI_OK;
}

/* Store a new key and say what to do with its public half. */
static int
keep(const struct args *a, const char *type, struct secret *priv, const struct buf *pub)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct keystore_why why = { "" };
	struct keystore *ks;
	int status, r;

	if ((status = open_store(a, 1, &ks)) != CLI_OK)
		return status;
	r = keystore_add(ks, a->name, type, priv, pub, &why);
	keystore_free(&ks);
	if (r != 0)
		return fail(&why, r);
	status = print_public(a->name, pub);
	if (status == CLI_OK) {
		fflush(stdout);
		pubkey_fingerprint((struct bytes){ pub->data, pub->len }, fingerprint);
		fprintf(stderr,
		    "To log in with it upstream (Key = %s in a route), append this line to\n"
		    "~/.ssh/authorized_keys there.  As a key of the gateway itself (HostKey = %s),\n"
		    "its fingerprint is %s.\n",
		    a->name, a->name, fingerprint);
	}
	return status;
}

/* Before a passphrase is asked for or a key made in vain. */
static int
name_ok(const char *name)
{
	char shown[80];

	if (keystore_name_ok(name))
		return 1;
	fprintf(stderr,
	    "sallyport: \"%s\" cannot be the name of a key: 1 to 64 of A-Z a-z 0-9 . _ @ + -, not "
	    "starting with . or -, not ending in .pub\n",
	    log_vis(shown, sizeof(shown), name, strlen(name)));
	return 0;
}

static int
key_generate_cmd(const struct args *a)
{
	struct secret *priv;
	struct buf pub;
	char type[64];
	int status, r;

	if (!name_ok(a->name))
		return CLI_USAGE;
	buf_init(&pub, BLOB_MAX);
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
	const struct args a = { .conf_dir = conf_dir };
	struct keystore_why why = { "no key could be made" };
	struct keystore *ks = NULL;
	struct secret *priv;
	struct buf pub;
	int status, r;

	(void)prctl(PR_SET_DUMPABLE, 0);
	buf_init(&pub, BLOB_MAX);
	status = open_store(&a, 1, &ks);
	if (status == CLI_OK) {
		r = key_generate("ed25519", &priv, &pub, type);
		if (r == 0)
			r = keystore_add(ks, name, type, priv, &pub, &why);
		secret_free(&priv);
		if (r != 0)
			status = fail(&why, r);
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
		r = passphrase_read(prompt, &passphrase);
		if (r == ERR_EOF)
			r = ERR_AUTH;
		else if (r == 0) {
			r = key_import((const char *)text->data, text->len,
			    (const char *)secret_open(passphrase), priv, pub, type);
			secret_close(passphrase);
		}
		secret_free(&passphrase);
	}
	free(prompt);
	return r;
}

static const char *
import_reason(int err, const struct buf *text)
{
	if (err == ERR_AUTH)
		return "wrong passphrase, or none given";
	if (err == ERR_ALGORITHM)
		return "is of a kind that cannot be used: DSA, RSA below 2048 bits, or the handle "
		       "of a security key";
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

static int
key_add_cmd(const struct args *a)
{
	struct secret *priv = NULL;
	struct buf text, pub;
	char type[64];
	int status, r, is_open;

	if (!name_ok(a->name))
		return CLI_USAGE;
	buf_init(&text, KEY_TEXT_MAX);
	buf_init(&pub, BLOB_MAX);
	if ((status = read_key_file(a->file, &text, &is_open)) != CLI_OK)
		goto out;
	r = key_import((const char *)text.data, text.len, NULL, &priv, &pub, type);
	if (r == ERR_AUTH)
		r = import_encrypted(a->file, &text, &priv, &pub, type);
	if (r != 0) {
		fprintf(stderr, "sallyport: %s: %s\n", a->file, import_reason(r, &text));
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

static int
list_one(struct keystore *ks, const char *name, int width)
{
	char type[64], fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct keystore_why why = { "" };
	struct buf pub;
	int r;

	buf_init(&pub, BLOB_MAX);
	r = keystore_public(ks, name, &pub, type, &why);
	if (r == 0) {
		pubkey_fingerprint((struct bytes){ pub.data, pub.len }, fingerprint);
		printf("%-*s  %-7s  %s\n", width, name, pubkey_type_short(type), fingerprint);
	} else {
		fail(&why, r);
	}
	buf_free(&pub);
	return r == 0 ? CLI_OK : CLI_FAILED;
}

static int
key_list_cmd(const struct args *a)
{
	struct strlist names = { 0 };
	struct keystore_why why = { "" };
	struct keystore *ks;
	int status, r, width = 0;
	size_t i;

	if ((status = open_store(a, 0, &ks)) != CLI_OK)
		return status;
	r = keystore_list(ks, &names, &why);
	if (r != 0)
		status = fail(&why, r);
	for (i = 0; i < names.n; i++)
		if ((int)strlen(names.v[i]) > width)
			width = (int)strlen(names.v[i]);
	/* One that is not sound does not hide the others. */
	for (i = 0; r == 0 && i < names.n; i++)
		if (list_one(ks, names.v[i], width) != CLI_OK)
			status = CLI_FAILED;
	strlist_free(&names);
	keystore_free(&ks);
	return status;
}

static int
key_public_cmd(const struct args *a)
{
	struct keystore_why why = { "" };
	struct keystore *ks;
	struct buf pub;
	char type[64];
	int status, r;

	if ((status = open_store(a, 0, &ks)) != CLI_OK)
		return status;
	buf_init(&pub, BLOB_MAX);
	r = keystore_public(ks, a->name, &pub, type, &why);
	status = r == 0 ? print_public(a->name, &pub) : fail(&why, r);
	buf_free(&pub);
	keystore_free(&ks);
	return status;
}

static int
key_remove_cmd(const struct args *a)
{
	struct keystore_why why = { "" };
	struct keystore *ks;
	int status, r;

	if ((status = open_store(a, 0, &ks)) != CLI_OK)
		return status;
	r = keystore_remove(ks, a->name, &why);
	keystore_free(&ks);
	return r == 0 ? CLI_OK : fail(&why, r);
}

/* What the configuration has to say: a path that does not depend on where
 * this was run. */
static char *
spec_absolute(const char *spec)
{
	char *cwd, *out = NULL;

	if (strncmp(spec, "file:", 5) != 0 || spec[5] == '/' || spec[5] == '\0')
		return strdup(spec);
	cwd = getcwd(NULL, 0);
	if (cwd != NULL && asprintf(&out, "file:%s/%s", cwd, spec + 5) == -1)
		out = NULL;
	free(cwd);
	return out;
}

static int
key_rewrap_cmd(const struct args *a)
{
	struct keystore_why why = { "" };
	struct keystore *ks = NULL;
	char *spec = NULL;
	struct place p;
	int status, r;

	if ((status = place_get(a, &p)) != CLI_OK)
		goto out;
	spec = a->unlock != NULL ? spec_absolute(a->unlock) : strdup(p.unlock);
	if (spec == NULL) {
		status = fail_memory();
		goto out;
	}
	r = keystore_open(p.path, a->from != NULL ? a->from : p.unlock, 0, &ks, &why);
	if (r == 0)
		r = keystore_rewrap(ks, spec, &why);
	if (r != 0)
		status = fail(&why, r);
	else if (strcmp(spec, p.unlock) != 0)
		fprintf(stderr,
		    "From now on this unlocks %s; set in [keystore]:\n    Unlock = %s\n", p.path,
		    spec);
out:
	keystore_free(&ks);
	free(spec);
	place_free(&p);
	return status;
}

static const struct command {
	const char *name;
	int operands; /* after its name: NAME, FILE */
	int (*run)(const struct args *a);
} commands[] = {
	{ "generate", 1, key_generate_cmd },
	{ "add", 2, key_add_cmd },
	{ "list", 0, key_list_cmd },
	{ "public", 1, key_public_cmd },
	{ "remove", 1, key_remove_cmd },
	{ "rewrap", 0, key_rewrap_cmd },
};

static int
wrong_usage(void)
{
	fputs(usage, stderr);
	return CLI_USAGE;
}

static int
run(struct args *a, int n, char **operands)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];

		if (strcmp(operands[0], c->name) != 0)
			continue;
		if (n != 1 + c->operands || (a->store != NULL && a->conf_dir != NULL) ||
		    (a->type != NULL && c->run != key_generate_cmd) ||
		    (a->from != NULL && c->run != key_rewrap_cmd))
			return wrong_usage();
		a->name = n > 1 ? operands[1] : NULL;
		a->file = n > 2 ? operands[2] : NULL;
		return c->run(a);
	}
	return wrong_usage();
}

int
cli_key(int argc, char **argv)
{
	static const struct option options[] = {
		{ "store", required_argument, NULL, 's' },
		{ "unlock", required_argument, NULL, 'u' },
		{ "from", required_argument, NULL, 'f' },
		{ "type", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct args a = { 0 };
	int ch;

	opterr = 0;
	while ((ch = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (ch) {
		case 'c':
			a.conf_dir = optarg;
			break;
		case 's':
			a.store = optarg;
			break;
		case 'u':
			a.unlock = optarg;
			break;
		case 'f':
			a.from = optarg;
			break;
		case 't':
			a.type = optarg;
			break;
		case 'h':
			printf("%s%s", usage, help);
			return CLI_OK;
		default:
			return wrong_usage();
		}
	}
	if (optind == argc)
		return wrong_usage();
	/* No core of a process that has held a key in the clear. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	return run(&a, argc - optind, argv + optind);
}
