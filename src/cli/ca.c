/*
 * sallyport ca: certificate authorities, whose keys are ordinary keys of the key store.  Here are its table of
 * commands and public; ca_list.c, ca_sign.c and ca_revoke.c have the others.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/names.h"
#include "cli/ca.h"
#include "cli/cli.h"
#include "formats/cert_write.h"
#include "formats/pubkey.h"

int
ca_is_file(const char *name)
{
	const size_t len = strlen(name);

	return strchr(name, '/') != NULL || (len > 4 && strcmp(name + len - 4, ".pub") == 0);
}

static int
ca_key_of_store(const struct ca_args *a, const char *name, struct buf *blob)
{
	struct reason why = { "" };
	struct keystore *ks;
	char type[64];
	int status, r;

	if ((status = key_store_open(&a->store, 0, &ks)) != CLI_OK)
		return status;
	r = keystore_public(ks, name, blob, type, &why);
	if (r == ERR_NOTFOUND)
		reason_set(&why,
		    "there is no key %s in the key store; if it was removed, or is elsewhere, give its "
		    "public key in place of the name: FILE.pub",
		    name);
	if (r != 0)
		status = key_fail(&why, r);
	keystore_free(&ks);
	return status;
}

int
ca_public_key(const struct ca_args *a, const char *name, struct buf *blob)
{
	struct buf comment;
	char type[64] = "";
	int status, r;

	buf_init(&comment, KEY_BLOB_MAX);
	status = ca_is_file(name) ? ca_read_key(name, blob, &comment) :
				    ca_key_of_store(a, name, blob);
	buf_free(&comment);
	if (status != CLI_OK)
		return status;
	r = pubkey_check(buf_bytes(blob));
	if (pubkey_type(buf_bytes(blob), type) == 0 && cert_ca_algorithm(type) == NULL) {
		fprintf(stderr,
		    "sallyport: %s: a key of type %s cannot be the key of a CA here: %s\n", name,
		    pubkey_type_short(type),
		    strncmp(type, "sk-", 3) == 0 ?
			"somebody would have to touch the token at each login" :
			"it has to be ED25519, RSA or ECDSA");
		return CLI_FAILED;
	}
	if (r != 0) {
		fprintf(stderr, "sallyport: %s: %s\n", name, err_str(r));
		return CLI_FAILED;
	}
	return CLI_OK;
}

static int
ca_public_cmd(const struct ca_args *a)
{
	struct buf blob;
	int status;

	buf_init(&blob, KEY_BLOB_MAX);
	status = ca_public_key(a, a->operands[0], &blob);
	if (status == CLI_OK && a->host)
		printf("@cert-authority * ");
	if (status == CLI_OK)
		status = key_print_public(path_name(a->operands[0]), &blob);
	buf_free(&blob);
	return status;
}

/* What the options of a command are. */
enum {
	CA_OF_PUBLIC = 1 << 0,
	CA_OF_LIST = 1 << 1,
	CA_OF_SIGN = 1 << 2,
	CA_OF_REVOKE = 1 << 3,
};

static const struct ca_command {
	const char *name;
	int min, max; /* operands after its name */
	unsigned int bit;
	int (*run)(const struct ca_args *a);
} ca_commands[] = {
	{ "public", 1, 1, CA_OF_PUBLIC, ca_public_cmd },
	{ "list", 0, 0, CA_OF_LIST, ca_list_cmd },
	{ "sign", 1, 1, CA_OF_SIGN, ca_sign_cmd },
	{ "revoke", 0, CA_OPERANDS_MAX, CA_OF_REVOKE, ca_revoke_cmd },
};

/* The options that were given, as a mask of the commands that take all of them. */
static unsigned int
ca_commands_for(const struct ca_args *a)
{
	const struct {
		int given;
		unsigned int takes;
	} rules[] = {
		{ a->host, CA_OF_PUBLIC | CA_OF_SIGN },
		{ a->json, CA_OF_LIST },
		{ a->id != NULL, CA_OF_SIGN | CA_OF_REVOKE },
		{ a->ca != NULL || a->principals != NULL || a->lifetime != NULL ||
			a->serial != NULL || a->force_command != NULL || a->source_address != NULL,
		    CA_OF_SIGN },
		{ a->no_pty || a->no_port || a->no_agent || a->no_x11 || a->no_rc ||
			a->verify_required || a->no_touch_required,
		    CA_OF_SIGN },
		{ a->krl != NULL || a->list, CA_OF_REVOKE },
	};
	unsigned int all = CA_OF_PUBLIC | CA_OF_LIST | CA_OF_SIGN | CA_OF_REVOKE;
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].given)
			all &= rules[i].takes;
	return all;
}

static int
ca_run(int argc, char **argv)
{
	struct ca_args a = { 0 };
	const struct cli_option options[] = {
		{ "config", 'c', &a.store.conf_dir, NULL },
		{ "unlock", 0, &a.store.unlock, NULL },
		{ "host", 0, NULL, &a.host },
		{ "json", 0, NULL, &a.json },
		{ "list", 0, NULL, &a.list },
		{ "ca", 0, &a.ca, NULL },
		{ "principals", 0, &a.principals, NULL },
		{ "lifetime", 0, &a.lifetime, NULL },
		{ "id", 0, &a.id, NULL },
		{ "serial", 0, &a.serial, NULL },
		{ "force-command", 0, &a.force_command, NULL },
		{ "source-address", 0, &a.source_address, NULL },
		{ "no-pty", 0, NULL, &a.no_pty },
		{ "no-port-forwarding", 0, NULL, &a.no_port },
		{ "no-agent-forwarding", 0, NULL, &a.no_agent },
		{ "no-x11-forwarding", 0, NULL, &a.no_x11 },
		{ "no-user-rc", 0, NULL, &a.no_rc },
		{ "verify-required", 0, NULL, &a.verify_required },
		{ "no-touch-required", 0, NULL, &a.no_touch_required },
		{ "krl", 0, &a.krl, NULL },
		{ 0 },
	};
	int at = cli_options(argc, argv, options, &cli_ca);
	size_t i;

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	if (at == argc)
		return cli_wrong_words(&cli_ca, NULL, "give one of public, list, sign, revoke");
	a.operands = argv + at + 1;
	a.n = argc - at - 1;
	/* No core of a process that has held a key in the clear. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	for (i = 0; i < sizeof(ca_commands) / sizeof(ca_commands[0]); i++) {
		const struct ca_command *c = &ca_commands[i];

		if (strcmp(argv[at], c->name) != 0)
			continue;
		if (a.n < c->min)
			return cli_wrong_words(&cli_ca, c->name, "a name or file is missing");
		if (a.n > c->max)
			return cli_wrong_words(&cli_ca, c->name, "too many names or files");
		if ((ca_commands_for(&a) & c->bit) == 0)
			return cli_wrong_words(&cli_ca, c->name,
			    "has no such option; another command of ca has it");
		return c->run(&a);
	}
	return cli_wrong_words(&cli_ca, argv[at], "there is no such command");
}

const struct cli_command cli_ca = {
	.name = "ca",
	.summary = "sign and revoke certificates",
	.usage = "usage: sallyport ca public NAME [--host]\n"
		 "       sallyport ca list [--json]\n"
		 "       sallyport ca sign FILE.pub --ca NAME --principals LIST --lifetime TIME\n"
		 "           [--id TEXT] [--serial N] [--host | --force-command COMMAND\n"
		 "           --source-address LIST --no-pty --no-port-forwarding\n"
		 "           --no-agent-forwarding --no-x11-forwarding --no-user-rc\n"
		 "           --verify-required --no-touch-required]\n"
		 "       sallyport ca revoke [NAME [SERIAL | FILE]...] [--id TEXT] [--krl FILE]\n"
		 "           [--list]\n"
		 "       each with [-c DIR] [--unlock SPEC]\n",
	.help =
	    "\n"
	    "  public  print the public half, a line for the file that TrustedUserCAKeys of a\n"
	    "          machine's sshd_config names; with --host the line for known_hosts that\n"
	    "          makes hosts with a certificate known\n"
	    "  list    the keys that routes use as CA, or that have signed here, and which routes\n"
	    "  sign    certify the public key in FILE.pub, and write the certificate beside it,\n"
	    "          where ssh(1) and ssh-keygen(1) look for it; with - in place of the file,\n"
	    "          read standard input and write to standard output\n"
	    "  revoke  add to what the CA has revoked: certificates by serial number, such as 7\n"
	    "          or 10-20, or by key ID; the certificate in FILE, or each certificate for\n"
	    "          the key in FILE.pub.  With --krl write all that every CA here has revoked\n"
	    "          for RevokedKeys of sshd; with --list print it\n"
	    "\n"
	    "  -c DIR         the configuration, whose [keystore] says where the keys are\n"
	    "                 (default: /etc/sallyport/conf.d if it exists, else ./conf.d)\n"
	    "  --unlock SPEC  what unlocks the key store, as in [keystore]\n"
	    "  --ca NAME      the key of the key store that signs; sallyport key generate makes\n"
	    "                 one\n"
	    "  --principals LIST  user names, or with --host host names, separated by commas\n"
	    "  --lifetime TIME    such as 8h, 30d, 1w2d; for a host also forever\n"
	    "  --id TEXT      the key ID, which sshd logs (default: the first principal); for\n"
	    "                 revoke that of the certificates to be revoked\n"
	    "  --serial N     the serial number (default: one that no certificate has had)\n"
	    "  --force-command COMMAND   whatever the user asks for, this is run\n"
	    "  --source-address LIST     addresses and blocks from which it may be used\n"
	    "                 what else restricts a certificate is explained in ssh-keygen(1)\n"
	    "  --krl FILE     where the KRL is written, in one step; - is standard output\n"
	    "\n"
	    "Exit status: 0 done, 1 failed, 2 wrong usage, 78 configuration error.\n",
	.run = ca_run,
};
