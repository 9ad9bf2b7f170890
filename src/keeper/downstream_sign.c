/*
 * What the host keys sign: exchange hashes, one before the login of a connection and then
 * those of its rekeys.  The keeper takes no part in the exchange, so a session can show it a
 * hash of its own making.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "keeper/downstream.h"
#include "keeper/ksession.h"

static const struct auth_server_ops downstream_ops = { downstream_key_allowed,
	downstream_key_verify, downstream_try_failed, downstream_key_refused };

/* The first hash signed is the session identifier, which the client's proofs are to name. */
static int
downstream_begin_auth(struct ksession *s, struct bytes host_key, struct bytes hash)
{
	char hint[256];
	struct auth_server_config config = {
		.session_id = hash.p,
		.session_id_len = hash.len,
		.max_tries = s->snapshot->conf->gateway.max_auth_tries,
		.banner = s->snapshot->banner,
		.host_key = host_key,
		.hint = hint,
		.decoy_methods = decoy_common(s->keeper)->methods,
	};

	snprintf(hint, sizeof(hint),
	    "sallyport: no key of yours opens this login; give your "
	    "administrator your public key (session %04jx)",
	    (uintmax_t)s->id);
	s->down.auth = auth_server_new(&config, &downstream_ops, s);
	if (s->down.auth == NULL)
		return ERR_NOMEM;
	memcpy(s->sign.session_id, hash.p, hash.len);
	s->sign.session_id_len = hash.len;
	return ksession_set_phase(s, IPC_PHASE_AUTH);
}

/*
 * Of SHA-1, SHA-256, SHA-384 or SHA-512.  With those six bytes in front it would be the
 * beginning of a signed file (PROTOCOL.sshsig of OpenSSH); an exchange hash begins so once in
 * 2^48 times.
 */
static int
is_exchange_hash(struct bytes hash)
{
	static const char sshsig[] = "SSHSIG";

	return (hash.len == 20 || hash.len == 32 || hash.len == 48 || hash.len == 64) &&
	    memcmp(hash.p, sshsig, sizeof(sshsig) - 1) != 0;
}

/* The session asks for a signature that no session of ours asks for. */
static void
downstream_sign_refused(struct ksession *s, const char *why)
{
	ksession_error(s, "ended: %s (from %s port %u)", why, s->client, s->client_port);
	ksession_end(s);
}

static void
downstream_sign_answer(struct ksession *s, const char *alg, struct bytes hash)
{
	struct host_key_use use;
	struct reason why = { "out of memory" };
	struct buf sig, b;
	int r;

	if (!identity_use(s->identity, alg, &use)) {
		downstream_sign_refused(s, "it asks for a signature that no host key can make");
		return;
	}
	buf_init(&sig, 8192);
	r = keystore_sign_with(s->identity->keystore, use.key->name, &use.key->sealed, use.alg,
	    hash.p, hash.len, &sig, &why);
	snprintf(s->sign.alg, sizeof(s->sign.alg), "%s", alg);
	if (r == 0 && s->phase == IPC_PHASE_KEX)
		r = downstream_begin_auth(s, use.shown, hash);
	if (r != 0) {
		ksession_error(s, "host key for %s: %s", alg, why.text);
		if (ksession_set_phase(s, IPC_PHASE_END) != 0)
			goto out;
	}
	ipc_begin(&b, IPC_SIGNATURE);
	wire_put_bool(&b, r == 0);
	wire_put_string(&b, sig.data, r == 0 ? sig.len : 0);
	(void)ksession_send(s, &b, -1);
out:
	buf_free(&sig);
}

void
downstream_sign(struct ksession *s, struct wire *body)
{
	struct bytes hash;
	char alg[64];

	wire_text(body, alg, sizeof(alg));
	hash = wire_string(body);
	if (wire_end(body) != 0 || !is_exchange_hash(hash)) {
		downstream_sign_refused(s,
		    "it asks for a signature of something that is not an exchange hash");
		return;
	}
	if (s->sign.later.waiting) {
		downstream_sign_refused(s, "it asks for two signatures at once");
		return;
	}
	if (bucket_take(&s->sign.bucket, clock_ms())) {
		downstream_sign_answer(s, alg, hash);
		return;
	}
	s->sign.later.waiting = 1;
	memcpy(s->sign.later.alg, alg, sizeof(alg));
	memcpy(s->sign.later.hash, hash.p, hash.len);
	s->sign.later.hash_len = hash.len;
}

void
downstream_sign_sweep(struct ksession *s, int64_t now)
{
	if (!s->sign.later.waiting || !bucket_take(&s->sign.bucket, now))
		return;
	s->sign.later.waiting = 0;
	downstream_sign_answer(s, s->sign.later.alg,
	    (struct bytes){ s->sign.later.hash, s->sign.later.hash_len });
}
