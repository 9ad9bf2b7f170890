/*
 * sallyport key: the keys in the key store.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "formats/pubkey.h"
#include "cli/cli.h"
#include "cli/key.h"

int
key_print_public(const char *name, const struct buf *pub)
{
	struct buf line;
	const char *text;

	buf_init(&line, KEY_BLOB_MAX * 2);
	pubkey_format((struct bytes){ pub->data, pub->len }, &line);
	text = buf_cstr(&line);
	if (text == NULL) {
		buf_free(&line);
		return key_fail_memory();
	}
	printf("%s %s\n", text, name);
	buf_free(&line);
	return CLI_OK;
}

/* That it opens is all there is to say of it. */
static int
list_password(struct keystore *ks, const char *name, int width)
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
list_one(struct keystore *ks, const char *name, int width)
{
	char type[64], fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct reason why = { "" };
	struct buf pub;
	int r;

	if (keystore_kind(ks, name) == KEYSTORE_PASSWORD)
		return list_password(ks, name, width);
	buf_init(&pub, KEY_BLOB_MAX);
	r = keystore_public(ks, name, &pub, type, &why);
	if (r == 0) {
		pubkey_fingerprint((struct bytes){ pub.data, pub.len }, fingerprint);
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
	/* One that is not sound does not hide the others. */
	for (i = 0; r == 0 && i < names.n; i++)
		if (list_one(ks, names.v[i], width) != CLI_OK)
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

static int
key_remove_cmd(const struct key_args *a)
{
	struct reason why = { "" };
	struct keystore *ks;
	int status, r;

	if ((status = key_store_open(a, 0, &ks)) != CLI_OK)
		return status;
	r = keystore_remove(ks, a->name, &why);
	keystore_free(&ks);
	return r == 0 ? CLI_OK : key_fail(&why, r);
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
key_rewrap_cmd(const struct key_args *a)
{
	struct reason why = { "" };
	struct keystore *ks = NULL;
	char *spec = NULL;
	struct key_place p;
	int status, r;

	if ((status = key_place_get(a, &p)) != CLI_OK)
		goto out;
	spec = a->unlock != NULL ? spec_absolute(a->unlock) : strdup(p.unlock);
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

static const struct command {
	const char *name;
	int operands; /* after its name: NAME, FILE */
	int (*run)(const struct key_args *a);
} commands[] = {
	{ "generate", 1, key_generate_cmd },
	{ "add", 2, key_add_cmd },
	{ "list", 0, key_list_cmd },
	{ "public", 1, key_public_cmd },
	{ "remove", 1, key_remove_cmd },
	{ "rewrap", 0, key_rewrap_cmd },
};

static int
run(struct key_args *a, int n, char **operands)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];

		if (strcmp(operands[0], c->name) != 0)
			continue;
		if (n != 1 + c->operands - (a->password && c->run == key_add_cmd) ||
		    (a->store != NULL && a->conf_dir != NULL) ||
		    (a->type != NULL && c->run != key_generate_cmd) ||
		    (a->password && c->run != key_add_cmd) ||
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
		{ 0 },
	};
	int at = cli_options(argc, argv, options, &cli_key);

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	if (at == argc)
		return cli_wrong_usage(&cli_key);
	/* No core of a process that has held a key in the clear. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	return run(&a, argc - at, argv + at);
}

const struct cli_command cli_key = {
	.name = "key",
	.summary = "the keys in the key store: make, add, list, remove",
	.usage =
	    "usage: sallyport key generate NAME [--type ed25519|rsa|ecdsa]\n"
	    "       sallyport key add NAME FILE | add NAME --password\n"
	    "       sallyport key list | public NAME [--for ROUTE [--from LIST]] | remove NAME\n"
	    "       sallyport key rewrap [--unlock SPEC] [--from SPEC]\n"
	    "       each with [-c DIR], or [--store DIR] [--unlock SPEC] without a configuration\n",
	.help =
	    "\n"
	    "  generate  make a key, print its public half\n"
	    "  add       take over the private key in FILE (OpenSSH or PEM), print its public half\n"
	    "            with --password: a password to log in with upstream (Password = NAME);\n"
	    "            it is asked for twice, or is a line of standard input\n"
	    "  list      name, type and fingerprint of every key; which are passwords\n"
	    "  public    print the public half, as authorized_keys wants it\n"
	    "            with --for ROUTE (a login): with the options by which the machine keeps for\n"
	    "            itself what the route allows: from, restrict, command and the like\n"
	    "  remove    delete a key or password\n"
	    "  rewrap    unlock the store with something else from now on; its keys stay\n"
	    "\n"
	    "  -c DIR         the configuration; [keystore] in it says where the store is and what\n"
	    "                 unlocks it (default: /etc/sallyport/conf.d if it exists, else ./conf.d)\n"
	    "  --store DIR    this store, no configuration is read\n"
	    "  --unlock SPEC  file:PATH, credential:NAME or passphrase; for rewrap the new one\n"
	    "                 (default with --store: file:DIR/.unlock)\n"
	    "  --from SPEC    for rewrap: the old one, if not what the configuration says\n"
	    "  --from LIST    for public --for: the addresses the machine sees the gateway at (default:\n"
	    "                 those of this host on its way there)\n"
	    "\n"
	    "Exit status: 0 done, 1 failed, 2 wrong usage, 78 configuration error.\n",
	.run = key_run,
};
