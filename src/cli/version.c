#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <sodium.h>

#include "cli/cli.h"
#include "transport/leg.h"
#include "transport/version.h"

int
cli_version(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		puts("usage: sallyport version\n");
		puts(
		    "Prints the versions of sallyport and of the libraries under it.  libssh is part\n"
		    "of the program: where its source was from, and when it was built.");
		return CLI_OK;
	}
	if (argc != 1) {
		fprintf(stderr, "usage: sallyport version\n");
		return CLI_USAGE;
	}
	printf("sallyport %s\n", SALLYPORT_VERSION);
	printf("libssh %s, of %s, built %s\n", transport_libssh_version(),
	    transport_libssh_origin(), transport_libssh_built());
	printf("libsodium %s\n", sodium_version_string());
	printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
	if (leg_global_init() == 0 && transport_aes_gcm_version() != NULL)
		printf("libipsec-mb %s\n", transport_aes_gcm_version());
	return CLI_OK;
}
