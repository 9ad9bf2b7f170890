/*
 * sallyport hash-password: the hash of a password for PasswordHash.
 */
#include <stdio.h>

#include <sodium.h>

#include "base/readpass.h"
#include "cli/cli.h"

/* The longest password that the keeper accepts from a client, as in sshd. */
#define PASSWORD_MAX 1024

/* Each attempt to log in costs the gateway as much as this: 64 MiB and a tenth of a second. */
static int
hash_password_print(struct secret *password)
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
	status = hash_password_print(password);
	secret_free(&password);
	return status;
}

static int
hash_password_run(int argc, char **argv)
{
	int at = cli_options(argc, argv, NULL, &cli_hash_password);

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	return at == argc ? hash_password() : cli_wrong_usage(&cli_hash_password);
}

const struct cli_command cli_hash_password = {
	.name = "hash-password",
	.summary = "the PasswordHash line of a password",
	.usage = "usage: sallyport hash-password\n",
	.help = "\n"
		"Ask for a password twice, or read one line from standard input if that is not a\n"
		"terminal, and print the PasswordHash line for a [route].\n",
	.run = hash_password_run,
};
