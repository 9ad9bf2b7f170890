/*
 * Proofs that the gateway has the host keys it has announced: hostkeys-prove-00@openssh.com
 * (PROTOCOL of OpenSSH, section 2.5).  ksession.c calls it, for a client that is logged in.
 *
 * What a host key signs here is put together here, and begins with the name of the request, so it
 * is nothing else that anybody verifies: exchange hashes are shorter, login signatures begin with a
 * session identifier, certificates with their type, signed files with "SSHSIG".  It holds the
 * identifier of this session, which the keeper knows itself, so it is good for this client alone.
 */
#include <string.h>

#include "keeper/downstream.h"
#include "keeper/ksession.h"

static const char downstream_prove_name[] = "hostkeys-prove-00@openssh.com";

/* The name, a session identifier, and the largest host key. */
#define DOWNSTREAM_PROVE_DATA_MAX (20 * 1024)

/* The algorithm of the proof: ssh takes no other for RSA than that of the key exchange, if that was
 * by RSA. */
static const char *
downstream_prove_algorithm(const struct ksession *s, const struct host_key *key)
{
	if (strcmp(key->type, "ssh-rsa") != 0)
		return key->type;
	return strncmp(s->sign.alg, "rsa-sha2-256", strlen("rsa-sha2-256")) == 0 ? "rsa-sha2-256" :
										   "rsa-sha2-512";
}

/* Append the proof of one key, as a string.  0 or an ERR_*. */
static int
downstream_prove_key(struct ksession *s, const struct host_key *key, struct buf *out)
{
	struct reason why = { "" };
	struct buf data, sig;
	int r;

	buf_init(&data, DOWNSTREAM_PROVE_DATA_MAX);
	buf_init(&sig, 8192);
	wire_put_text(&data, downstream_prove_name);
	wire_put_string(&data, s->sign.session_id, s->sign.session_id_len);
	wire_put_bytes(&data, buf_bytes(&key->blob));
	r = buf_err(&data);
	if (r == 0)
		r = keystore_sign_with(s->identity->keystore, key->name, &key->sealed,
		    downstream_prove_algorithm(s, key), data.data, data.len, &sig, &why);
	if (r == 0)
		wire_put_bytes(out, buf_bytes(&sig));
	else
		ksession_error(s, "proof of host key %s: %s", key->name, why.text);
	buf_free(&data);
	buf_free(&sig);
	return r;
}

/* The index of an announced host key that has not been proven in this session, or the number of
 * keys. */
static size_t
downstream_prove_find(const struct ksession *s, struct bytes blob)
{
	const struct identity *id = s->identity;
	size_t i;

	for (i = 0; i < id->n_host_keys; i++)
		if (bytes_equal(buf_bytes(&id->host_keys[i].blob), blob))
			return (s->sign.proven & 1U << i) == 0 ? i : id->n_host_keys;
	return i;
}

void
downstream_prove(struct ksession *s, struct wire *body)
{
	struct bytes blob;
	struct buf b, proofs;
	int r = 0;
	size_t i;

	buf_init(&proofs, IPC_PAYLOAD_MAX);
	while (body->left > 0 && r == 0) {
		blob = wire_string(body);
		i = downstream_prove_find(s, blob);
		if (wire_err(body) != 0 || i == s->identity->n_host_keys) {
			r = ERR_NOTFOUND;
			break;
		}
		s->sign.proven |= 1U << i;
		r = downstream_prove_key(s, &s->identity->host_keys[i], &proofs);
	}
	if (r == 0)
		r = buf_err(&proofs);
	ksession_debug(s, "proof of host keys: %s", r == 0 ? "given" : "refused");
	ipc_begin(&b, IPC_PROOF);
	wire_put_bool(&b, r == 0);
	if (r == 0)
		buf_put(&b, proofs.data, proofs.len);
	buf_free(&proofs);
	(void)ksession_send(s, &b, -1);
}
