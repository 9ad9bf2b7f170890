#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "cli/cli.h"
#include "base/readpass.h"

/* What the keeper takes: the same bound as sshd's. */
#define PASSWORD_MAX 1024

/* 64 MiB and a tenth of a second: what a gateway can do for each attempt. */
static int
hash_print(struct secret *password)
{
	char hash[crypto_pwhash_STRBYTES];
	size_t len = secret_len(password) - 1; /* its NUL */
	int r;

	if (len == 0 || len > PASSWORD_MAX) {
		fprintf(stderr, "sallyport: a password has 1 to %d bytes\n", PASSWORD_MAX);
		return CLI_FAILED;
	}
	r = crypto_pwhash_str(hash, (const char *)secret_open(password), len,
	    crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE);
	secret_close(password);
	if (r != 0) {
		fprintf(stderr, "sallyport: out of memory\n");
		return CLI_FAILED;
	}
	printf("PasswordHash = %s\n", hash);
	return CLI_OK;
}

static int
hash_password(void)
{
	struct secret *password;
	int status, r;

	if (sodium_init() == -1)
		return CLI_FAILED;
	r = readpass_new("Password: ", &password);
	if (r != 0) {
		fprintf(stderr, "sallyport: no password: %s\n",
		    r == ERR_EOF ? "end of input" : err_str(r));
		return CLI_FAILED;
	}
	status = hash_print(password);
	secret_free(&password);
	return status;
}

int
cli_hash_password(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static const char usage[] = "usage: sallyport hash-password\n";
	int c;

	while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (c != 'h') {
			fputs(usage, stderr);
			return CLI_USAGE;
		}
		printf("%s\nAsks for a password twice, or reads one line from standard input if "
		       "that is no terminal,\nand prints the PasswordHash line for a [route].\n",
		    usage);
		return CLI_OK;
	}
	if (optind != argc) {
		fputs(usage, stderr);
		return CLI_USAGE;
	}
	return hash_password();
}
