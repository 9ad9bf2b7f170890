/*
 * sallyport totp: the secrets of one-time codes in the key store.  Here are its table of commands, and
 * the finding of a login's secret; totp_enroll.c makes one, totp_list.c shows and resets what is kept of them.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/names.h"
#include "cli/cli.h"
#include "cli/totp.h"

int
totp_name_of_login(const char *conf_dir, const char *login, char **name)
{
	const struct lookup_request request = { .login = login,
		.client_address = "",
		.local_address = "",
		.fingerprint = "",
		.method = "none" };
	enum lookup_result found;
	struct find_route f;
	char shown[1024];
	int status;

	*name = NULL;
	log_vis(shown, sizeof(shown), login, strlen(login));
	if (!login_name_ok(login, strlen(login))) {
		fprintf(stderr, "sallyport: %s: cannot be a login\n", shown);
		return CLI_USAGE;
	}
	status = find_route_open(&f, conf_dir);
	if (status != CLI_OK)
		goto out;
	found = find_route(&f, &request, stderr);
	status = CLI_FAILED;
	if (found == LOOKUP_NOT_FOUND)
		fprintf(stderr,
		    "sallyport: %s: no such login; a login is wanted, as users type it, or --name "
		    "with the name that a route's TOTP has\n",
		    shown);
	else if (found != LOOKUP_FOUND)
		fprintf(stderr, "sallyport: %s: the lookup failed\n", shown);
	else if (f.route->totp == NULL)
		fprintf(stderr,
		    "sallyport: %s: its route asks for no code; set TOTP there, such as TOTP = "
		    "totp-%%u, or give the name of the secret with --name\n",
		    shown);
	else if (f.route->totp_file != NULL)
		fprintf(stderr,
		    "sallyport: %s: its secret is in %s; to have one in the key store, write a "
		    "route.ini there with TOTP, or remove the file\n",
		    shown, f.route->totp_file);
	else if ((*name = strdup(f.route->totp)) == NULL)
		status = key_fail_memory();
	else
		status = CLI_OK;
out:
	find_route_close(&f);
	return status;
}

static int
totp_dispatch(struct totp_args *a, int n, char **operands)
{
	const int enrolls = a->name != NULL || a->issuer != NULL || a->digits != NULL ||
	    a->hash != NULL || a->import || a->replace || a->no_qr || a->uri;

	if (strcmp(operands[0], "enroll") == 0) {
		if (a->json)
			return cli_wrong_words(&cli_totp, "enroll", "--json is for list");
		if (n != (a->name != NULL ? 1 : 2))
			return cli_wrong_words(&cli_totp, "enroll",
			    "give one login, or --name NAME in place of it");
		a->login = n == 2 ? operands[1] : NULL;
		return totp_enroll_cmd(a);
	}
	if (strcmp(operands[0], "list") == 0) {
		if (n != 1 || enrolls)
			return cli_wrong_words(&cli_totp, "list", "takes --json alone");
		return totp_list_cmd(a);
	}
	if (strcmp(operands[0], "reset") == 0) {
		if (n != 2 || enrolls || a->json)
			return cli_wrong_words(&cli_totp, "reset",
			    "give the name of one secret, and no option but -c");
		a->name = operands[1];
		return totp_reset_cmd(a);
	}
	return cli_wrong_words(&cli_totp, operands[0], "there is no such command");
}

static int
totp_run(int argc, char **argv)
{
	struct totp_args a = { 0 };
	const struct cli_option options[] = {
		{ "config", 'c', &a.key.conf_dir, NULL },
		{ "name", 0, &a.name, NULL },
		{ "issuer", 0, &a.issuer, NULL },
		{ "digits", 0, &a.digits, NULL },
		{ "hash", 0, &a.hash, NULL },
		{ "import", 0, NULL, &a.import },
		{ "replace", 0, NULL, &a.replace },
		{ "no-qr", 0, NULL, &a.no_qr },
		{ "uri", 0, NULL, &a.uri },
		{ "json", 0, NULL, &a.json },
		{ 0 },
	};
	int at = cli_options(argc, argv, options, &cli_totp);

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	if (at == argc)
		return cli_wrong_words(&cli_totp, NULL, "give one of enroll, list, reset");
	/* no core of a process that has held a secret in the clear */
	(void)prctl(PR_SET_DUMPABLE, 0);
	return totp_dispatch(&a, argc - at, argv + at);
}

const struct cli_command cli_totp = {
	.name = "totp",
	.summary = "enrol people for one-time codes",
	.usage = "usage: sallyport totp enroll LOGIN [--replace] [--import] [--issuer TEXT]\n"
		 "                             [--digits 6|7|8] [--hash sha1|sha256|sha512]\n"
		 "                             [--no-qr | --uri]\n"
		 "       sallyport totp enroll --name NAME ...\n"
		 "       sallyport totp list [--json]\n"
		 "       sallyport totp reset NAME\n"
		 "       each with [-c DIR]\n",
	.help =
	    "\n"
	    "  enroll  make the secret that the route of the login asks for (TOTP), and show\n"
	    "          it: as a QR code for an authenticator app, as a URI and in base32; and\n"
	    "          ten recovery codes.  They are shown this once.  On a terminal, a code\n"
	    "          of the app has to confirm it\n"
	    "  list    each secret: the recovery codes that are left, when a code was used\n"
	    "          last, whom it remembers, until when it is locked\n"
	    "  reset   unlock a secret after wrong codes, and forget whom it remembers; the\n"
	    "          secret stays, and what has been used stays used\n"
	    "\n"
	    "  --name NAME    the secret of this name in the key store, whatever routes say\n"
	    "  --replace      in place of the secret that there is, which ends with it\n"
	    "  --import       take over a secret that people have in their app: it is asked for,\n"
	    "                 or is a line of standard input in base32\n"
	    "  --issuer TEXT  what the app shows beside the login (default: the name of this\n"
	    "                 host)\n"
	    "  --digits N     of a code (default: 6; not every app can do others)\n"
	    "  --hash NAME    the hash (default: sha1; not every app can do others)\n"
	    "  --no-qr        no QR code\n"
	    "  --uri          for programs: the URI, then each recovery code, on a line of its\n"
	    "                 own\n"
	    "  --json         an array with an object for each secret\n"
	    "  -c DIR         the configuration (default: /etc/sallyport/conf.d if it exists,\n"
	    "                 else ./conf.d)\n"
	    "\n"
	    "Exit status: 0 done, 1 failed, 2 wrong usage, 78 configuration error.\n",
	.run = totp_run,
};
