/*
 * The algorithms of SSH that the gateway supports.  Called for the keys KexAlgorithms, Ciphers ...
 * of routes (lookup), for the known_hosts of an upstream (access/host_key.c), and by transport for
 * the defaults.
 */
#include <stdio.h>
#include <string.h>

#include "wire/algorithms.h"
#include "base/match.h"

static const struct {
	const char *what;
	const char *preferred;
	const char *weak;
} algorithms_table[] = {
	/* no group exchange, which takes another round trip */
	[ALGORITHMS_KEX] = { "key exchange",
	    "mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,"
	    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
	    "ecdh-sha2-nistp521,diffie-hellman-group16-sha512,diffie-hellman-group14-sha256",
	    "diffie-hellman-group14-sha1,diffie-hellman-group1-sha1" },
	/* certificates are asked for only if the route has an authority for the host */
	[ALGORITHMS_HOST_KEY] = { "host key algorithm",
	    "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,"
	    "ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,"
	    "rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,"
	    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"
	    "rsa-sha2-512,rsa-sha2-256",
	    "ssh-rsa" },
	/* AES-GCM first: towards the upstream the gateway is the client, whose order decides, and
	 * with AES instructions nothing is faster */
	[ALGORITHMS_CIPHER] = { "cipher",
	    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"
	    "aes128-ctr,aes192-ctr,aes256-ctr",
	    "aes128-cbc,aes192-cbc,aes256-cbc,3des-cbc" },
	[ALGORITHMS_MAC] = { "MAC",
	    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,"
	    "hmac-sha2-512",
	    "hmac-sha1-etm@openssh.com,hmac-sha1" },
};

const char *
algorithms_default(enum algorithms kind)
{
	return algorithms_table[kind].preferred;
}

const char *
algorithms_weak(enum algorithms kind)
{
	return algorithms_table[kind].weak;
}

/* Take the next name off the list; 0 at its end. */
static int
algorithms_next(const char **list, const char **name, size_t *len)
{
	if (**list == '\0')
		return 0;
	*name = *list;
	*len = strcspn(*name, ",");
	*list += *len + ((*name)[*len] == ',');
	return 1;
}

/* 1 if a name or a pattern of the list matches. */
static int
algorithms_has(const char *list, const char *name, size_t len)
{
	const char *p;
	size_t n;

	while (algorithms_next(&list, &p, &n))
		if (match_pattern((struct bytes){ (const uint8_t *)name, len },
			(struct bytes){ (const uint8_t *)p, n }, MATCH_CASE))
			return 1;
	return 0;
}

/* Append the names of list that match nothing in without, and are not in out from start on yet. */
static void
algorithms_add(struct buf *out, size_t start, const char *list, const char *without)
{
	const char *name;
	size_t len;

	while (algorithms_next(&list, &name, &len)) {
		if (algorithms_has(without, name, len))
			continue;
		buf_put_u8(out, '\0');
		if (buf_err(out) != 0)
			return;
		out->len--;
		if (algorithms_has((const char *)out->data + start, name, len))
			continue;
		buf_putf(out, "%s%.*s", out->len > start ? "," : "", (int)len, name);
	}
}

int
algorithms_expand(enum algorithms kind, const char *list, struct buf *out, struct reason *why)
{
	const char *preferred = algorithms_table[kind].preferred, *names, *p, *name;
	char how = list[0] != '\0' && strchr("+-^", list[0]) != NULL ? list[0] : '\0';
	size_t start = out->len, len;

	names = how != '\0' ? list + 1 : list;
	for (p = names; how != '-' && algorithms_next(&p, &name, &len);) {
		if (memchr(name, '*', len) == NULL && memchr(name, '?', len) == NULL &&
		    (algorithms_has(preferred, name, len) ||
			algorithms_has(algorithms_table[kind].weak, name, len)))
			continue;
		reason_set(why, "\"%.*s\" is no %s that is supported", len < 80 ? (int)len : 80,
		    name, algorithms_table[kind].what);
		return ERR_FORMAT;
	}
	if (how == '+')
		algorithms_add(out, start, preferred, "");
	algorithms_add(out, start, how == '-' ? preferred : names, how == '-' ? names : "");
	if (how == '^')
		algorithms_add(out, start, preferred, "");
	if (buf_err(out) == 0 && out->len == start) {
		reason_set(why, "that leaves no %s", algorithms_table[kind].what);
		return ERR_FORMAT;
	}
	return buf_err(out);
}
