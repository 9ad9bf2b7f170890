/*
 * auth/known_hosts: the input is a file, but for its first byte, which says what
 * to look for.  A host that is new is known once its line has been added.
 */
#include <string.h>

#include "formats/known_hosts.h"
#include "formats/pubkey.h"
#include "fuzz.h"

static const char line[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
static const char all[] =
    "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const hosts[] = { "a", "Alice.Example.com", "10.0.0.5", "2001:db8::1" };
	const char *host, *text;
	enum known_hosts_result result;
	struct bytes blob;
	struct buf key, out;
	struct cert cert;
	uint16_t port;

	if (len == 0)
		return 0;
	host = hosts[data[0] & 3];
	port = data[0] & 4 ? 22 : 2222;
	text = (const char *)data + 1;
	len--;
	buf_init(&key, 1000);
	CHECK(pubkey_parse(line, sizeof(line) - 1, &key) == 0);
	blob = buf_bytes(&key);

	buf_init(&out, len + 1000);
	known_hosts_algorithms(text, len, host, port, all, 0, &out);
	CHECK(buf_err(&out) == 0 && out.len == strlen(all));
	buf_reset(&out);
	known_hosts_algorithms(text, len, host, port, all, 1, &out);
	CHECK(buf_err(&out) == 0 && out.len <= strlen(all));

	result = known_hosts_check(text, len, host, port, blob);
	/* a certificate of the key, signed by itself */
	cert = (struct cert){ .key_type = "ssh-ed25519",
		.numbers = { blob.p + 15, blob.len - 15 },
		.ca = blob };
	CHECK((known_hosts_authority(text, len, host, port, &cert) == KNOWN_HOST_REVOKED) ==
	    (result == KNOWN_HOST_REVOKED));
	/* the lines of the host are all that counts, and they are theirs */
	buf_reset(&out);
	known_hosts_lines(text, len, host, port, &out);
	CHECK(buf_err(&out) == 0 && out.len <= len + 1);
	CHECK(known_hosts_check((const char *)out.data, out.len, host, port, blob) == result);
	CHECK(known_hosts_has((const char *)out.data, out.len, host, port) ==
	    known_hosts_has(text, len, host, port));
	CHECK(known_hosts_has_authority((const char *)out.data, out.len, host, port) ==
	    known_hosts_has_authority(text, len, host, port));

	if (result == KNOWN_HOST_NEW) {
		buf_reset(&out);
		buf_put(&out, text, len);
		buf_put_u8(&out, '\n');
		known_hosts_line(host, port, blob, &out);
		CHECK(buf_err(&out) == 0);
		CHECK(known_hosts_check((const char *)out.data, out.len, host, port, blob) ==
		    KNOWN_HOST_OK);
	}
	buf_free(&out);
	buf_free(&key);
	return 0;
}
