/*
 * The contents of a private key file that can be read without its passphrase; with them the private
 * key itself, if it has none.  Pure: bytes in, bytes out.
 */
#ifndef TRANSPORT_KEY_FILE_H
#define TRANSPORT_KEY_FILE_H

#include "base/buf.h"
#include "base/secret.h"

struct key_file {
	int encrypted;
	char type[64];		/* "ssh-ed25519"; empty if that is not in the clear */
	struct buf pub;		/* the public blob; empty if it is not in the clear */
	struct secret *numbers; /* OpenSSH's format without a passphrase: the type, and the private
				 * key's numbers as SSH_AGENTC_ADD_IDENTITY has them; or NULL */
};

/* Read the text of a private key file.  The caller frees f, also on error.  0; ERR_FORMAT: neither
 * OpenSSH's format nor PEM; ERR_NOMEM. */
int key_file_look(const char *text, struct key_file *f) MUST_CHECK;
void key_file_free(struct key_file *f);

#endif
