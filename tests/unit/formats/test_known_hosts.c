/*
 * formats/known_hosts.c and pattern.c: the same answers as ssh-keygen(1), where it has one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/known_hosts.h"
#include "formats/pubkey.h"
#include "cert_samples.h"

/* host keys of github.com and gitlab.com */
#define ED25519 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
#define OTHER "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf"
#define ECDSA                                                                                  \
	"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEez" \
	"OmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg="

static struct buf ed25519, other, ecdsa;
static char dir[] = "/tmp/test_known_hosts.XXXXXX";

static int
setup(void **state)
{
	(void)state;
	buf_init(&ed25519, 1000);
	buf_init(&other, 1000);
	buf_init(&ecdsa, 1000);
	return mkdtemp(dir) == NULL || pubkey_parse(ED25519, strlen(ED25519), &ed25519) != 0 ||
	    pubkey_parse(OTHER, strlen(OTHER), &other) != 0 ||
	    pubkey_parse(ECDSA, strlen(ECDSA), &ecdsa) != 0;
}

static int
teardown(void **state)
{
	char command[100];

	(void)state;
	buf_free(&ed25519);
	buf_free(&other);
	buf_free(&ecdsa);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static enum known_hosts_result
check(const char *text, const char *host, uint16_t port, const struct buf *key)
{
	return known_hosts_check(text, strlen(text), host, port, buf_bytes(key));
}

static void
test_plain_names(void **state)
{
	static const char file[] = "# comment\n"
				   "\n"
				   "  alice.example.com,10.0.0.5\t" ED25519 " a comment\r\n"
				   "bob.example.com " ED25519; /* no newline */

	(void)state;
	assert_int_equal(check(file, "alice.example.com", 22, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(file, "10.0.0.5", 22, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(file, "bob.example.com", 22, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(file, "ALICE.Example.com", 22, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(file, "alice.example.com", 22, &other), KNOWN_HOST_CHANGED);
	assert_int_equal(check(file, "alice.example.com", 22, &ecdsa), KNOWN_HOST_CHANGED);
	assert_int_equal(check(file, "carol.example.com", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check(file, "alice.example.co", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check(file, "alice.example.com,10.0.0.5", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check(file, "", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check("", "alice.example.com", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(known_hosts_check(NULL, 0, "a", 22, buf_bytes(&other)), KNOWN_HOST_NEW);
	assert_int_equal(check("ALICE.example.COM " ED25519 "\n", "alice.example.com", 22,
			     &ed25519),
	    KNOWN_HOST_OK);
}

/* sshpiper #554: several keys of one host, whichever comes first */
static void
test_several_keys(void **state)
{
	static const char file[] = "a " ECDSA "\na " OTHER "\na " ED25519 "\n";

	(void)state;
	assert_int_equal(check(file, "a", 22, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(file, "a", 22, &ecdsa), KNOWN_HOST_OK);
	assert_int_equal(check(file, "a", 22, &other), KNOWN_HOST_OK);
}

/* As ssh(1): "[host]:port", and where it has no line the plain name, but only to
 * accept a key. */
static void
test_ports(void **state)
{
	static const char with_port[] = "[a]:2222 " ED25519 "\n";
	static const char plain[] = "a " ED25519 "\n";
	static const char both[] = "[a]:2222 " OTHER "\na " ED25519 "\n";

	(void)state;
	assert_int_equal(check(with_port, "a", 2222, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(with_port, "A", 2222, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(with_port, "a", 2222, &other), KNOWN_HOST_CHANGED);
	assert_int_equal(check(with_port, "a", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check(with_port, "a", 222, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check(plain, "a", 2222, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(plain, "a", 2222, &other), KNOWN_HOST_NEW);
	assert_int_equal(check(both, "a", 2222, &ed25519), KNOWN_HOST_CHANGED);
	assert_int_equal(check(both, "a", 2222, &other), KNOWN_HOST_OK);
	assert_int_equal(check(both, "a", 22, &other), KNOWN_HOST_CHANGED);
	assert_int_equal(check("[::1]:2222 " ED25519, "::1", 2222, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check("::1 " ED25519, "::1", 22, &ed25519), KNOWN_HOST_OK);
}

static void
test_patterns(void **state)
{
	static const char file[] = "*.example.com,!bad.example.com " ED25519 "\n";

	(void)state;
	assert_int_equal(check(file, "a.example.com", 22, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(file, "a.b.example.com", 22, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(file, "example.com", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check(file, "bad.example.com", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check("!a " ED25519 "\n", "b", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check("host? " ED25519 "\n", "host7", 22, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check("host? " ED25519 "\n", "host", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check("* " OTHER "\n", "a", 2222, &ed25519), KNOWN_HOST_CHANGED);
}

static void
test_revoked_wins(void **state)
{
	(void)state;
	assert_int_equal(check("a " ED25519 "\n@revoked * " ED25519 "\n", "a", 22, &ed25519),
	    KNOWN_HOST_REVOKED);
	assert_int_equal(check("@revoked a " ED25519 "\na " ED25519 "\n", "a", 22, &ed25519),
	    KNOWN_HOST_REVOKED);
	/* of another key, or another host */
	assert_int_equal(check("@revoked * " OTHER "\na " ED25519 "\n", "a", 22, &ed25519),
	    KNOWN_HOST_OK);
	assert_int_equal(check("@revoked b " ED25519 "\na " ED25519 "\n", "a", 22, &ed25519),
	    KNOWN_HOST_OK);
	/* a revoked line is no line that knows the host */
	assert_int_equal(check("@revoked a " OTHER "\n", "a", 22, &ed25519), KNOWN_HOST_NEW);
	/* a key revoked for the host is not taken on another of its ports either */
	assert_int_equal(check("@revoked a " ED25519 "\n[a]:2222 " ED25519 "\n", "a", 2222,
			     &ed25519),
	    KNOWN_HOST_REVOKED);
}

static void
test_markers(void **state)
{
	(void)state;
	assert_int_equal(check("@cert-authority * " ED25519 "\n", "a", 22, &ed25519),
	    KNOWN_HOST_NEW);
	assert_int_equal(check("@cert-authority * " OTHER "\na " ED25519 "\n", "a", 22, &ed25519),
	    KNOWN_HOST_OK);
	assert_int_equal(check("@foo a " ED25519 "\n", "a", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check("@revoked\n@revoked \n@revoked a\n", "a", 22, &ed25519),
	    KNOWN_HOST_NEW);
}

static void
test_lines_that_do_not_parse_are_passed_over(void **state)
{
	(void)state;
	assert_int_equal(check("a\na \na ssh-ed25519\na ssh-ed25519 \na ssh-ed25519 !!!\n"
			       "a ssh-rsa AAAAC3NzaC1lZDI1NTE5\n"
			       "a ssh-foo AAAAB3NzaC1mb28=\n"
			       "a 1024 65537 1234567890\n"
			       "|1|a " ED25519 "\n|1||" ED25519 "\n|1|| " ED25519 "\n|1 " ED25519
			       "\n\n,, " ED25519 "\n",
			     "a", 22, &ed25519),
	    KNOWN_HOST_NEW);
	assert_int_equal(check("a ssh-foo AAAAB3NzaC1mb28=\na " ED25519 "\n", "a", 22, &ed25519),
	    KNOWN_HOST_OK);
}

static void
test_long_lines(void **state)
{
	size_t len = KNOWN_HOSTS_LINE_MAX;
	char *text = malloc(len + 200);

	(void)state;
	memset(text, 'a', len + 200);
	strcpy(text + len - strlen(",b " ED25519), ",b " ED25519);
	assert_int_equal(check(text, "b", 22, &ed25519), KNOWN_HOST_OK);
	strcat(text, " \na " ED25519 "\n");
	assert_int_equal(check(text, "b", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check(text, "a", 22, &ed25519), KNOWN_HOST_OK);
	memset(text, 'a', len);
	text[len] = '\0';
	assert_int_equal(check("a " ED25519, text, 22, &ed25519), KNOWN_HOST_NEW);
	free(text);
}

/* --- ssh-keygen --- */

static void
write_file(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
}

static void
read_file(const char *name, struct buf *b)
{
	char path[200];
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	assert_non_null(f);
	buf_reset(b);
	while ((c = getc(f)) != EOF)
		buf_put_u8(b, (uint8_t)c);
	fclose(f);
}

/* Does ssh-keygen -F find a line for this name? */
static int
keygen_finds(const char *name)
{
	char command[300];

	snprintf(command, sizeof(command), "ssh-keygen -F '%s' -f %s/known >%s/found 2>&1", name,
	    dir, dir);
	return system(command) == 0;
}

static void
test_hashed_by_ssh_keygen(void **state)
{
	struct buf text;
	char command[200];

	(void)state;
	buf_init(&text, 100000);
	write_file("known",
	    "alice.example.com,10.0.0.5 " ED25519 "\n[alice.example.com]:2222 " ECDSA "\n"
	    "::1 " OTHER "\n");
	snprintf(command, sizeof(command), "ssh-keygen -q -H -f %s/known >/dev/null 2>&1", dir);
	assert_int_equal(system(command), 0);
	read_file("known", &text);
	assert_null(strstr(buf_cstr(&text), "alice"));
	assert_non_null(strstr(buf_cstr(&text), "|1|"));
	assert_int_equal(check(buf_cstr(&text), "alice.example.com", 22, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(buf_cstr(&text), "Alice.Example.Com", 22, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(buf_cstr(&text), "10.0.0.5", 22, &ed25519), KNOWN_HOST_OK);
	assert_int_equal(check(buf_cstr(&text), "10.0.0.5", 22, &other), KNOWN_HOST_CHANGED);
	assert_int_equal(check(buf_cstr(&text), "10.0.0.6", 22, &ed25519), KNOWN_HOST_NEW);
	assert_int_equal(check(buf_cstr(&text), "::1", 22, &other), KNOWN_HOST_OK);
	assert_int_equal(check(buf_cstr(&text), "alice.example.com", 2222, &ecdsa), KNOWN_HOST_OK);
	assert_int_equal(check(buf_cstr(&text), "alice.example.com", 2222, &ed25519),
	    KNOWN_HOST_CHANGED);
	buf_free(&text);
}

/* What ssh-keygen -F finds, we know; what it does not find is new. */
static void
test_same_as_ssh_keygen(void **state)
{
	static const char *const files[] = { "a " ED25519, "a,b " ED25519, "*.a,!b.a " ED25519,
		"[a]:2222 " ED25519, "a* " ED25519, "a? " ED25519, "!a,* " ED25519, "# a " ED25519,
		"  a  " ED25519, "A " ED25519, "@cert-authority x " ED25519, "[*]:2222 " ED25519,
		"a,[a]:2222,10.0.0.1 " ED25519 };
	static const struct {
		const char *host;
		uint16_t port;
		const char *name;
	} hosts[] = {
		{ "a", 22, "a" },
		{ "b", 22, "b" },
		{ "b.a", 22, "b.a" },
		{ "c.a", 22, "c.a" },
		{ "ab", 22, "ab" },
		{ "10.0.0.1", 22, "10.0.0.1" },
		{ "a", 2222, "[a]:2222" },
		{ "z", 2222, "[z]:2222" },
	};
	enum known_hosts_result result;
	char text[1000];
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(text, sizeof(text), "%s\n", files[i]);
		write_file("known", text);
		for (j = 0; j < sizeof(hosts) / sizeof(hosts[0]); j++) {
			/* the other key, so that the plain name does not stand in */
			result = check(text, hosts[j].host, hosts[j].port, &other);
			if ((result == KNOWN_HOST_CHANGED) != keygen_finds(hosts[j].name))
				fail_msg("%s in: %s", hosts[j].name, files[i]);
		}
	}
}

static void
test_new_line_is_found_by_ssh_keygen(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 10000);
	known_hosts_line("Alice.example.com", 22, buf_bytes(&ed25519), &out);
	known_hosts_line("::1", 2222, buf_bytes(&ecdsa), &out);
	known_hosts_line("fe80::1%eth0", 22, buf_bytes(&other), &out);
	assert_int_equal(buf_err(&out), 0);
	assert_string_equal(buf_cstr(&out),
	    "alice.example.com " ED25519 "\n[::1]:2222 " ECDSA "\nfe80::1%eth0 " OTHER "\n");
	write_file("known", buf_cstr(&out));
	assert_true(keygen_finds("alice.example.com"));
	assert_true(keygen_finds("[::1]:2222"));
	assert_false(keygen_finds("::1"));
	assert_int_equal(check(buf_cstr(&out), "::1", 2222, &ecdsa), KNOWN_HOST_OK);
	buf_free(&out);
}

/* Nothing but one name gets into the file of a gateway that accepts new hosts. */
static void
test_no_line_for_odd_names(void **state)
{
	static const char *const names[] = { "", "a b", "a\nb", "a,b", "*", "!a", "#a", "@revoked",
		"|1|a", "[a]:22", "a\177", "a\t", "\377" };
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 10000);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		known_hosts_line(names[i], 22, buf_bytes(&ed25519), &out);
		assert_int_equal(buf_err(&out), ERR_FORMAT);
		assert_int_equal(out.len, 0);
		buf_reset(&out);
	}
	known_hosts_line("a", 22, (struct bytes){ ed25519.data, ed25519.len - 1 }, &out);
	assert_int_equal(buf_err(&out), ERR_FORMAT);
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

/* --- authorities --- */

static enum known_hosts_result
authority(const char *text, const char *host, uint16_t port)
{
	enum known_hosts_result result;
	struct cert cert;
	struct buf blob;

	buf_init(&blob, 10000);
	assert_int_equal(pubkey_parse(HOST_CERT, strlen(HOST_CERT), &blob), 0);
	assert_int_equal(cert_parse(&cert, buf_bytes(&blob)), 0);
	result = known_hosts_authority(text, strlen(text), host, port, &cert);
	buf_free(&blob);
	return result;
}

#define CA "@cert-authority "

static void
test_authority(void **state)
{
	(void)state;
	assert_int_equal(authority("", "a", 22), KNOWN_HOST_NEW);
	assert_int_equal(authority(CA "a " CA_KEY "\n", "a", 22), KNOWN_HOST_OK);
	assert_int_equal(authority(CA "a " CA_KEY "\n", "A", 22), KNOWN_HOST_OK);
	assert_int_equal(authority(CA "a " CA_KEY "\n", "b", 22), KNOWN_HOST_NEW);
	assert_int_equal(authority(CA "*,!b " CA_KEY "\n", "a", 22), KNOWN_HOST_OK);
	assert_int_equal(authority(CA "*,!b " CA_KEY "\n", "b", 22), KNOWN_HOST_NEW);
	/* under the name with the port, and without */
	assert_int_equal(authority(CA "a " CA_KEY "\n", "a", 2222), KNOWN_HOST_OK);
	assert_int_equal(authority(CA "[a]:2222 " CA_KEY "\n", "a", 2222), KNOWN_HOST_OK);
	assert_int_equal(authority(CA "[a]:2222 " CA_KEY "\n", "a", 22), KNOWN_HOST_NEW);
	/* the CA's key as a host's, the host's key as a CA's, another CA */
	assert_int_equal(authority("a " CA_KEY "\n", "a", 22), KNOWN_HOST_NEW);
	assert_int_equal(authority(CA "a " ED25519_KEY "\n", "a", 22), KNOWN_HOST_NEW);
	assert_int_equal(authority(CA "a " OTHER "\n", "a", 22), KNOWN_HOST_NEW);
	assert_int_equal(authority(CA "a " OTHER "\n" CA "* " CA_KEY "\n", "a", 22), KNOWN_HOST_OK);
	/* revoked: the CA or the key, before or after */
	assert_int_equal(authority(CA "a " CA_KEY "\n@revoked * " CA_KEY "\n", "a", 22),
	    KNOWN_HOST_REVOKED);
	assert_int_equal(authority("@revoked a " ED25519_KEY "\n" CA "a " CA_KEY "\n", "a", 2222),
	    KNOWN_HOST_REVOKED);
	assert_int_equal(authority("@revoked b " CA_KEY "\n" CA "a " CA_KEY "\n", "a", 22),
	    KNOWN_HOST_OK);
	assert_int_equal(authority("@revoked a " OTHER "\n" CA "a " CA_KEY "\n", "a", 22),
	    KNOWN_HOST_OK);
}

/* --- algorithms --- */

static void
algorithms(const char *text, uint16_t port, const char *all, int only_known, const char *want)
{
	struct buf out;

	buf_init(&out, 1000);
	known_hosts_algorithms(text, strlen(text), "a", port, all, only_known, &out);
	assert_int_equal(buf_err(&out), 0);
	assert_string_equal(buf_cstr(&out), want);
	buf_free(&out);
}

static void
test_algorithms(void **state)
{
	static const char all[] = "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256";

	(void)state;
	algorithms("", 22, all, 0, all);
	algorithms("", 22, all, 1, "");
	algorithms("b " ECDSA "\n", 22, all, 0, all);
	algorithms("a " ECDSA "\n", 22, all, 1, "ecdsa-sha2-nistp256");
	algorithms("a " ECDSA "\n", 22, all, 0,
	    "ecdsa-sha2-nistp256,ssh-ed25519,rsa-sha2-512,rsa-sha2-256");
	algorithms("a " ECDSA "\na " ED25519 "\n", 22, all, 1, "ssh-ed25519,ecdsa-sha2-nistp256");
	algorithms("a " ECDSA "\n", 22, "ssh-ed25519", 0, "ssh-ed25519");
	algorithms("a " ECDSA "\n", 22, "ssh-ed25519", 1, "");
	algorithms("a " ECDSA "\n", 22, "ssh-ed25519,,ssh-ed25519,x,ecdsa-sha2-nistp256", 0,
	    "ecdsa-sha2-nistp256,ssh-ed25519,x");
	algorithms("a " ECDSA "\n", 22, "", 0, "");
	algorithms("@cert-authority a " ECDSA "\n@revoked a " ED25519 "\n", 22, all, 1, "");
	/* certificates of any type, where there is an authority */
	algorithms("a " ECDSA "\n" CA "* " ED25519 "\n", 22,
	    "rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519-cert-v01@openssh.com,ssh-ed25519,"
	    "ecdsa-sha2-nistp256",
	    0,
	    "rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519-cert-v01@openssh.com,"
	    "ecdsa-sha2-nistp256,ssh-ed25519");
	algorithms(CA "b " ED25519 "\n", 22, "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519", 1, "");
	/* the port's own lines, else those of the plain name */
	algorithms("[a]:2222 " ED25519 "\na " ECDSA "\n", 2222, all, 1, "ssh-ed25519");
	algorithms("a " ECDSA "\n", 2222, all, 1, "ecdsa-sha2-nistp256");
	algorithms("[a]:2222 " ED25519 "\n", 22, all, 1, "");
}

/* An RSA key stands for two algorithms, and for SHA-1 where that is asked for. */
static void
test_algorithms_of_rsa(void **state)
{
	struct buf text;
	char command[300];

	(void)state;
	buf_init(&text, 10000);
	snprintf(command, sizeof(command),
	    "ssh-keygen -q -N '' -t rsa -b 1024 -f %s/rsa && sed 's/^/a /' %s/rsa.pub >%s/known",
	    dir, dir, dir);
	assert_int_equal(system(command), 0);
	read_file("known", &text);
	algorithms(buf_cstr(&text), 22, "ssh-ed25519,rsa-sha2-512,rsa-sha2-256,ssh-rsa", 1,
	    "rsa-sha2-512,rsa-sha2-256,ssh-rsa");
	algorithms(buf_cstr(&text), 22, "ssh-ed25519,rsa-sha2-512,rsa-sha2-256", 0,
	    "rsa-sha2-512,rsa-sha2-256,ssh-ed25519");
	buf_free(&text);
}

static size_t
place(const char *text, uint16_t port, int authority, const struct buf *key)
{
	return known_hosts_place(text, strlen(text), "a", port, authority, buf_bytes(key));
}

static void
test_place(void **state)
{
	static const char text[] = "# a\n\nrubbish\nb " ED25519 "\n@revoked a " OTHER
				   "\n@cert-authority a,[a]:* " ECDSA "\na " ED25519
				   "\r\n[a]:7 " OTHER;

	(void)state;
	assert_int_equal(place(text, 22, 0, &ed25519), 7);
	assert_int_equal(place(text, 7, 0, &ed25519), 7);
	assert_int_equal(place(text, 7, 0, &other), 8);
	assert_int_equal(place(text, 22, 0, &other), 0);
	assert_int_equal(place(text, 22, 0, &ecdsa), 0);
	assert_int_equal(place(text, 22, 1, &ecdsa), 6);
	assert_int_equal(place(text, 7, 1, &ecdsa), 6);
	assert_int_equal(place(text, 22, 1, &ed25519), 0);
	assert_int_equal(place("a " ED25519, 22, 0, &ed25519), 1);
	assert_int_equal(place("", 22, 0, &ed25519), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_names),
		cmocka_unit_test(test_several_keys),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_revoked_wins),
		cmocka_unit_test(test_markers),
		cmocka_unit_test(test_lines_that_do_not_parse_are_passed_over),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_hashed_by_ssh_keygen),
		cmocka_unit_test(test_same_as_ssh_keygen),
		cmocka_unit_test(test_new_line_is_found_by_ssh_keygen),
		cmocka_unit_test(test_no_line_for_odd_names),
		cmocka_unit_test(test_authority),
		cmocka_unit_test(test_algorithms),
		cmocka_unit_test(test_algorithms_of_rsa),
		cmocka_unit_test(test_place),
	};

	return cmocka_run_group_tests_name("known_hosts", tests, setup, teardown);
}
