/*
 * sallyport key: the keys in the key store.  Here are its table of commands, the finding and
 * opening of the store, and list, public and rewrap; key_add.c, key_for.c and key_remove.c have
 * the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/fd.h"
#include "cli/as_user.h"
#include "cli/cli.h"
#include "cli/key.h"
#include "conf/conf.h"
#include "formats/pubkey.h"

/* --- which key store --- */

int
key_fail(const struct reason *why, int err)
{
	fprintf(stderr, "sallyport: %s\n", why->text);
	return err == ERR_CONFIG ? CLI_USAGE : CLI_FAILED;
}

int
key_fail_memory(void)
{
	fprintf(stderr, "sallyport: out of memory\n");
	return CLI_FAILED;
}

const char *
key_where(const struct key_args *a, char out[KEY_WHERE_SIZE])
{
	const char *dir = a->store != NULL ? a->store : a->conf_dir;

	snprintf(out, KEY_WHERE_SIZE, "%s%s",
	    a->store != NULL	    ? " --store " :
		a->conf_dir != NULL ? " -c " :
				      "",
	    dir != NULL ? dir : "");
	return out;
}

int
key_fail_add(const struct key_args *a, const struct reason *why, int err)
{
	char where[KEY_WHERE_SIZE];

	if (err != ERR_EXISTS)
		return key_fail(why, err);
	fprintf(stderr,
	    "sallyport: %s, or, if nothing uses this one any more: sallyport key remove %s%s\n",
	    why->text, a->name, key_where(a, where));
	return CLI_FAILED;
}

void
key_place_free(struct key_place *p)
{
	free(p->path);
	free(p->unlock);
	free(p->run_as);
}

static int
key_place_from_conf(const char *dir, struct key_place *p)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	int r;

	as_user_hints(dir);
	r = conf_load(dir, CONF_GATEWAY, &conf, &errors);
	conf_errors_print(&errors, stderr);
	conf_errors_free(&errors);
	if (r != 0)
		return CLI_CONFIG;
	p->path = strdup(conf->keystore.path);
	p->unlock = strdup(conf->keystore.unlock);
	p->run_as = strdup(conf->gateway.run_as != NULL ? conf->gateway.run_as : CONF_RUN_AS);
	conf_free(&conf);
	if (p->path == NULL || p->unlock == NULL || p->run_as == NULL)
		return key_fail_memory();
	return CLI_OK;
}

int
key_place_get(const struct key_args *a, struct key_place *p)
{
	int status;

	*p = (struct key_place){ 0 };
	if (a->store != NULL) {
		p->path = strdup(a->store);
		if (asprintf(&p->unlock, "file:%s/.unlock", a->store) == -1)
			p->unlock = NULL;
	} else if ((status = key_place_from_conf(a->conf_dir, p)) != CLI_OK) {
		return status;
	}
	return p->path == NULL || p->unlock == NULL ? key_fail_memory() : CLI_OK;
}

/*
 * Root makes a store for the user that the gateway will run as.  The key store
 * gives its files to the owner of the directory; this makes that user the owner,
 * unless there is a store in the directory already.
 */
static void
key_place_give(const struct key_place *p)
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

int
key_store_open(const struct key_args *a, int create, struct keystore **ks)
{
	struct reason why = { "" };
	struct key_place p;
	int status, r;

	*ks = NULL;
	status = key_place_get(a, &p);
	if (status == CLI_OK) {
		if (create)
			key_place_give(&p);
		r = keystore_open(p.path, a->unlock != NULL ? a->unlock : p.unlock, create, ks,
		    &why);
		if (r != 0)
			status = key_fail(&why, r);
	}
	key_place_free(&p);
	return status;
}

int
key_print_public(const char *name, const struct buf *pub)
{
	struct buf line;
	const char *text;

	buf_init(&line, KEY_BLOB_MAX * 2);
	pubkey_format(buf_bytes(pub), &line);
	text = buf_cstr(&line);
	if (text == NULL) {
		buf_free(&line);
		return key_fail_memory();
	}
	printf("%s %s\n", text, name);
	buf_free(&line);
	return CLI_OK;
}

/* --- the commands that add nothing --- */

/* Of a password or TOTP secret the list says no more than that it opens. */
static int
key_list_password(struct keystore *ks, const char *name, int width)
{
	struct reason why = { "" };
	struct secret *password;
	int r = keystore_password(ks, name, &password, &why);

	secret_free(&password);
	if (r != 0) {
		key_fail(&why, r);
		return CLI_FAILED;
	}
	printf("%-*s  password\n", width, name);
	return CLI_OK;
}

static int
key_list_totp(struct keystore *ks, const char *name, int width)
{
	struct reason why = { "" };
	struct totp t;
	int r = keystore_totp(ks, name, &t, &why);

	sodium_memzero(&t, sizeof(t));
	if (r != 0) {
		key_fail(&why, r);
		return CLI_FAILED;
	}
	printf("%-*s  TOTP secret\n", width, name);
	return CLI_OK;
}

static int
key_list_one(struct keystore *ks, const char *name, int width)
{
	char type[64], fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct reason why = { "" };
	struct buf pub;
	int r;

	switch (keystore_kind(ks, name)) {
	case KEYSTORE_PASSWORD:
		return key_list_password(ks, name, width);
	case KEYSTORE_TOTP:
		return key_list_totp(ks, name, width);
	default:
		break;
	}
	buf_init(&pub, KEY_BLOB_MAX);
	r = keystore_public(ks, name, &pub, type, &why);
	if (r == 0) {
		pubkey_fingerprint(buf_bytes(&pub), fingerprint);
		printf("%-*s  %-7s  %s\n", width, name, pubkey_type_short(type), fingerprint);
	} else {
		key_fail(&why, r);
	}
	buf_free(&pub);
	return r == 0 ? CLI_OK : CLI_FAILED;
}

static int
key_list_cmd(const struct key_args *a)
{
	struct strlist names = { 0 };
	struct reason why = { "" };
	struct keystore *ks;
	int status, r, width = 0;
	size_t i;

	if ((status = key_store_open(a, 0, &ks)) != CLI_OK)
		return status;
	r = keystore_list(ks, &names, &why);
	if (r != 0)
		status = key_fail(&why, r);
	for (i = 0; i < names.n; i++)
		if ((int)strlen(names.v[i]) > width)
			width = (int)strlen(names.v[i]);
	/* A damaged key does not hide the others. */
	for (i = 0; r == 0 && i < names.n; i++)
		if (key_list_one(ks, names.v[i], width) != CLI_OK)
			status = CLI_FAILED;
	strlist_free(&names);
	keystore_free(&ks);
	return status;
}

static int
key_public_cmd(const struct key_args *a)
{
	struct reason why = { "" };
	struct keystore *ks;
	struct buf pub;
	char type[64];
	int status, r;

	if ((status = key_store_open(a, 0, &ks)) != CLI_OK)
		return status;
	buf_init(&pub, KEY_BLOB_MAX);
	r = keystore_public(ks, a->name, &pub, type, &why);
	if (r != 0)
		status = key_fail(&why, r);
	else
		status = a->route != NULL ? key_public_for(a, &pub) :
					    key_print_public(a->name, &pub);
	buf_free(&pub);
	keystore_free(&ks);
	return status;
}

/* The SPEC for the configuration: with a path that does not depend on the working directory. */
static char *
key_spec_absolute(const char *spec)
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
key_rewrap_cmd(const struct key_args *a)
{
	struct reason why = { "" };
	struct keystore *ks = NULL;
	char *spec = NULL;
	struct key_place p;
	int status, r;

	if ((status = key_place_get(a, &p)) != CLI_OK)
		goto out;
	spec = a->unlock != NULL ? key_spec_absolute(a->unlock) : strdup(p.unlock);
	if (spec == NULL) {
		status = key_fail_memory();
		goto out;
	}
	r = keystore_open(p.path, a->from != NULL ? a->from : p.unlock, 0, &ks, &why);
	if (r == 0)
		r = keystore_rewrap(ks, spec, &why);
	if (r != 0)
		status = key_fail(&why, r);
	else if (strcmp(spec, p.unlock) != 0)
		fprintf(stderr,
		    "From now on this unlocks %s; set in [keystore]:\n    Unlock = %s\n", p.path,
		    spec);
out:
	keystore_free(&ks);
	free(spec);
	key_place_free(&p);
	return status;
}

static const struct key_command {
	const char *name;
	int operands; /* after its name: NAME, FILE */
	int (*run)(const struct key_args *a);
} key_commands[] = {
	{ "generate", 1, key_generate_cmd },
	{ "add", 2, key_add_cmd },
	{ "list", 0, key_list_cmd },
	{ "public", 1, key_public_cmd },
	{ "remove", 1, key_remove_cmd },
	{ "rewrap", 0, key_rewrap_cmd },
};

static int
key_dispatch(struct key_args *a, int n, char **operands)
{
	size_t i;

	for (i = 0; i < sizeof(key_commands) / sizeof(key_commands[0]); i++) {
		const struct key_command *c = &key_commands[i];

		if (strcmp(operands[0], c->name) != 0)
			continue;
		if (n != 1 + c->operands - (a->password && c->run == key_add_cmd) ||
		    (a->store != NULL && a->conf_dir != NULL) ||
		    (a->type != NULL && c->run != key_generate_cmd) ||
		    (a->password && c->run != key_add_cmd) ||
		    (a->replace && (c->run != key_add_cmd || a->password)) ||
		    (a->force && c->run != key_remove_cmd) ||
		    (a->quiet && c->run != key_generate_cmd && c->run != key_add_cmd) ||
		    (a->route != NULL && (c->run != key_public_cmd || a->store != NULL)) ||
		    (a->from != NULL && c->run != key_rewrap_cmd && a->route == NULL))
			return cli_wrong_usage(&cli_key);
		a->name = n > 1 ? operands[1] : NULL;
		a->file = n > 2 ? operands[2] : NULL;
		return c->run(a);
	}
	return cli_wrong_usage(&cli_key);
}

static int
key_run(int argc, char **argv)
{
	struct key_args a = { 0 };
	const struct cli_option options[] = {
		{ "config", 'c', &a.conf_dir, NULL },
		{ "store", 0, &a.store, NULL },
		{ "unlock", 0, &a.unlock, NULL },
		{ "for", 0, &a.route, NULL },
		{ "from", 0, &a.from, NULL },
		{ "type", 0, &a.type, NULL },
		{ "password", 0, NULL, &a.password },
		{ "force", 0, NULL, &a.force },
		{ "replace", 0, NULL, &a.replace },
		{ "quiet", 'q', NULL, &a.quiet },
		{ 0 },
	};
	int at = cli_options(argc, argv, options, &cli_key);

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	if (at == argc)
		return cli_wrong_usage(&cli_key);
	/* No core of a process that has held a key in the clear. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	return key_dispatch(&a, argc - at, argv + at);
}

const struct cli_command cli_key = {
	.name = "key",
	.summary = "manage the keys in the key store",
	.usage =
	    "usage: sallyport key generate NAME [--type ed25519|rsa|ecdsa] [-q]\n"
	    "       sallyport key add NAME FILE [--replace] [-q] | add NAME --password [-q]\n"
	    "       sallyport key list | public NAME [--for ROUTE [--from LIST]]\n"
	    "       sallyport key remove NAME [--force]\n"
	    "       sallyport key rewrap [--unlock SPEC] [--from SPEC]\n"
	    "       each with [-c DIR], or [--store DIR] [--unlock SPEC] without a configuration\n",
	.help =
	    "\n"
	    "  generate  make a key, print its public half\n"
	    "  add       add the private key in FILE (OpenSSH or PEM), print its public half\n"
	    "            with --replace: in place of the key of this name, in one step\n"
	    "            with --password: a password to log in with upstream (Password = NAME);\n"
	    "            it is asked for twice, or is a line of standard input\n"
	    "  list      name, type and fingerprint of every key; which are passwords, which the\n"
	    "            secrets of one-time passwords\n"
	    "  public    print the public half, in the format of authorized_keys\n"
	    "            with --for ROUTE (a login): with options that make the upstream\n"
	    "            enforce what the route allows: from, restrict, command and the like\n"
	    "  remove    delete a key, password or TOTP secret; with --force also one that HostKey\n"
	    "            or a [route] of the configuration names\n"
	    "  rewrap    change what unlocks the store; its keys stay\n"
	    "\n"
	    "  -c DIR         the configuration, whose [keystore] says where the store is and\n"
	    "                 what unlocks it (default: /etc/sallyport/conf.d if it exists,\n"
	    "                 else ./conf.d)\n"
	    "  -q, --quiet    do not explain what to do with the key or password\n"
	    "  --store DIR    this store, no configuration is read\n"
	    "  --unlock SPEC  file:PATH, credential:NAME or passphrase; for rewrap the new one\n"
	    "                 (default with --store: file:DIR/.unlock)\n"
	    "  --from SPEC    for rewrap: the old one, if not what the configuration says\n"
	    "  --from LIST    for public --for: the addresses at which the upstream sees the\n"
	    "                 gateway (default: those from which this host reaches it)\n"
	    "\n"
	    "Exit status: 0 done, 1 failed, 2 wrong usage, 78 configuration error.\n",
	.run = key_run,
};
