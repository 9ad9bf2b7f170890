/*
 * The host keys of a server's leg, and their certificates: which algorithms they are for, and which
 * of them serves.  Called by leg_new.c, and by libssh_wrap.c in place of libssh's own list, which
 * has one key of each kind and no certificates.
 */
#include <stdlib.h>
#include <string.h>

#include "transport/leg_private.h"
#include "libssh/pki.h"

static const struct {
	const char *type;
	const char *algorithms; /* of signatures by such a key */
} leg_host_key_types[LEG_HOST_KEY_TYPES] = {
	{ "ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519-cert-v01@openssh.com" },
	{ "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256-cert-v01@openssh.com" },
	{ "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp384-cert-v01@openssh.com" },
	{ "ecdsa-sha2-nistp521-cert-v01@openssh.com", "ecdsa-sha2-nistp521-cert-v01@openssh.com" },
	{ "ssh-rsa-cert-v01@openssh.com",
	    "rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com" },
	{ "ssh-ed25519", "ssh-ed25519" },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256" },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384" },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521" },
	{ "ssh-rsa", "rsa-sha2-512,rsa-sha2-256" },
};

/* The algorithms for a key, or NULL. */
static const char *
leg_host_key_algorithms(struct bytes blob)
{
	struct bytes type;
	struct wire w;
	size_t i;

	wire_init(&w, blob.p, blob.len);
	type = wire_string(&w);
	for (i = 0; i < LEG_HOST_KEY_TYPES; i++)
		if (bytes_is(type, leg_host_key_types[i].type))
			return leg_host_key_types[i].algorithms;
	return NULL;
}

/* Can libssh read it?  Of the first key, libssh keeps what it has read: version 0.11 makes no leg
 * without a host key of its own, and uses no more than its type. */
static int
leg_host_key_check(struct leg *leg, ssh_string blob)
{
	ssh_key key = NULL;

	if (ssh_pki_import_pubkey_blob(blob, &key) != SSH_OK)
		return ERR_FORMAT;
	if (leg->ssh->srv.ed25519_key == NULL)
		leg->ssh->srv.ed25519_key = key;
	else
		ssh_key_free(key);
	return 0;
}

int
leg_host_keys_add(struct leg *leg, struct bytes blob, struct buf *list)
{
	const char *algorithms = leg_host_key_algorithms(blob);
	ssh_string copy = ssh_string_new(blob.len);
	size_t i;
	int r = ERR_ALGORITHM;

	if (copy == NULL)
		return ERR_NOMEM;
	ssh_string_fill(copy, blob.p, blob.len);
	if (algorithms != NULL)
		r = leg_host_key_check(leg, copy);
	for (i = 0; i < leg->n_host_keys; i++)
		if (leg->host_keys[i].algorithms == algorithms)
			break;
	if (r != 0 || i < leg->n_host_keys) {
		ssh_string_free(copy);
		return r;
	}
	leg->host_keys[leg->n_host_keys++] = (struct leg_host_key){ algorithms, copy };
	buf_putf(list, "%s%s", list->len > 0 ? "," : "", algorithms);
	return 0;
}

ssh_string
leg_host_keys_find(const struct leg *leg, const char *algorithm)
{
	size_t i;

	for (i = 0; i < leg->n_host_keys; i++)
		if (namelist_has(leg->host_keys[i].algorithms, algorithm))
			return leg->host_keys[i].blob;
	return NULL;
}

void
leg_host_keys_free(struct leg *leg)
{
	size_t i;

	for (i = 0; i < leg->n_host_keys; i++)
		ssh_string_free(leg->host_keys[i].blob);
	leg->n_host_keys = 0;
}
