/*
 * sallyport route: who answers for a login, where it leads, why not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "access/host_key.h"
#include "access/host_key_add.h"
#include "access/policy_from_route.h"
#include "access/route_files.h"
#include "access/user_key.h"
#include "base/access_hint.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/login.h"
#include "cli/as_user.h"
#include "cli/cli.h"
#include "cli/find_route.h"
#include "cli/route_dial.h"
#include "cli/store_probe.h"
#include "formats/cert.h"
#include "formats/known_hosts.h"
#include "formats/pubkey.h"
#include "keystore/keystore.h"
#include "lookup/lookup.h"

#define FILE_MAX (16 * 1024 * 1024)

struct args {
	const char *dir;
	const char *login;
	const char *key;
	const char *from;
	const char *to;
	int dial;

	struct buf blob; /* of --key */
	struct as_user become;
};

static const char show_algorithms[] =
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,"
    "rsa-sha2-256,sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com";

/* Append a file; 0, or an ERR_* with errno. */
static int
read_file(const char *path, struct buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err;

	if (fd == -1)
		return ERR_SYS;
	err = fd_read_all(fd, b);
	fd_close(&fd);
	return err;
}

/* Why we can't open it, for errno. */
static const char *
why_not(const char *path, struct reason *why)
{
	if (errno == EACCES)
		(void)access_hint(path, R_OK, why);
	else
		reason_set(why, "%s", strerror(errno));
	return why->text;
}

/* The public key in a file, as OpenSSH writes it.  ERR_PERM: it is a private key, which is not decoded. */
static int
read_public(const char *path, struct buf *blob)
{
	struct buf text;
	size_t len;
	int err;

	buf_init(&text, FILE_MAX);
	err = read_file(path, &text);
	if (err == 0) {
		for (len = 0; len < text.len && text.data[len] != '\n'; len++)
			;
		err = pubkey_is_private(text.data, text.len) ?
		    ERR_PERM :
		    pubkey_parse((const char *)text.data, len, blob);
	}
	buf_wipe(&text);
	return err;
}

static const char *
describe(struct bytes blob, char out[160])
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];

	pubkey_fingerprint(blob, fingerprint);
	if (pubkey_type(blob, type) != 0)
		type[0] = '\0';
	snprintf(out, 160, "%s %s", pubkey_type_short(type), fingerprint);
	return out;
}

/* CertificateFile, for the mapped key. */
static int
show_certificate(const struct route *r, struct bytes key)
{
	char text[CERT_SHOW_SIZE];
	struct reason why;
	struct cert cert;
	struct buf blob;
	int err;

	buf_init(&blob, 65536);
	err = route_certificate(r, key, time(NULL), &blob, &why);
	if (err == 0 && cert_parse(&cert, buf_bytes(&blob)) == 0)
		printf("           with the certificate %s: %s\n", r->certificate_file,
		    cert_show(&cert, text));
	else
		printf("           without its certificate: %s\n", why.text);
	buf_free(&blob);
	return err;
}

/* The mapped key in a file of the route's. */
static int
show_key_file(const struct route *r)
{
	struct reason why, hint;
	char type[64];
	struct buf blob;
	int err;

	buf_init(&blob, 65536);
	err = route_key_public(r, NULL, &blob, type, &why);
	if (err == ERR_SYS || err == ERR_NOTFOUND)
		printf("key        %s: %s\n", r->key_file, why_not(r->key_file, &hint));
	else
		printf("key        %s\n", err == 0 ? r->key_file : why.text);
	if (err == 0 && r->certificate_file != NULL)
		err = show_certificate(r, buf_bytes(&blob));
	buf_free(&blob);
	return err == 0 ? CLI_OK : CLI_FAILED;
}

/* The mapped key in the key store. */
static int
show_stored_key(const struct args *a, const struct conf *conf, const struct route *r)
{
	const struct store_probe unopened = { .path = conf->keystore.path };
	struct reason why;
	struct buf blob;
	char text[160];
	int err;

	buf_init(&blob, 65536);
	err = store_probe_public(&unopened, r->key, &blob, &why);
	if (err != 0) {
		printf("key        %s: %s\n", r->key, why.text);
		goto out;
	}
	printf("key        %s (%s)\n", r->key, describe(buf_bytes(&blob), text));
	err = store_probe_one(&conf->keystore, &a->become, KEYSTORE_KEY, r->key, &why);
	if (err != 0)
		printf("           which can't be used: %s\n", why.text);
	if (err == 0 && r->certificate_file != NULL)
		err = show_certificate(r, buf_bytes(&blob));
out:
	buf_free(&blob);
	return err == 0 ? CLI_OK : CLI_FAILED;
}

static int
show_key(const struct args *a, const struct conf *conf, const struct route *r)
{
	if (r->agent)
		puts("key        the person's own agent (ssh -A)");
	else if (r->key != NULL)
		return show_stored_key(a, conf, r);
	else if (r->key_file != NULL)
		return show_key_file(r);
	else if (r->password == NULL)
		puts("key        none: the person's password or answers go to the machine behind");
	return CLI_OK;
}

static int
show_password(const struct args *a, const struct conf *conf, const struct route *r)
{
	struct reason why;
	int err;

	if (r->password == NULL)
		return CLI_OK;
	err = store_probe_one(&conf->keystore, &a->become, KEYSTORE_PASSWORD, r->password, &why);
	printf("password   %s%s%s\n", r->password, err == 0 ? "" : ": ", err == 0 ? "" : why.text);
	return err == 0 ? CLI_OK : CLI_FAILED;
}

/* --- who may log in --- */

static int
show_may(const struct args *a, const struct route *r)
{
	const struct user_key_request request = { .route = r,
		.login = a->login,
		.address = a->from != NULL ? a->from : "0.0.0.0",
		.now = time(NULL) };
	struct user_key_answer answer = { 0 };
	struct reason why;
	char text[160], id[CERT_SHOW_SIZE];
	const struct bytes blob = buf_bytes(&a->blob);
	struct cert cert;
	int err = 0;

	if (cert_parse(&cert, blob) == 0)
		printf("--key      %s\n", cert_show(&cert, id));
	describe(blob, text);
	if (user_key_allowed(&request, blob, &answer)) {
		err = policy_from_route_check(r, &answer.options, &why);
		printf("--key      %s may%s log in: %s%s%s\n", text, err == 0 ? "" : " not",
		    answer.where, err == 0 ? "" : ": ", err == 0 ? "" : why.text);
	} else {
		err = ERR_AUTH;
		printf("--key      %s may not log in: %s%s\n", text,
		    answer.why.text[0] != '\0' ? answer.why.text : "it is on no list",
		    a->from == NULL &&
			    (strstr(answer.why.text, "from=") != NULL ||
				strstr(answer.why.text, "source-address") != NULL) ?
			" (try --from ADDRESS)" :
			"");
	}
	authorized_options_free(&answer.options);
	return err == 0 ? CLI_OK : CLI_FAILED;
}

/* A list of keys that decides who is let in, if the route has it. */
static int
show_list(const struct route *r, enum user_key_list list, const char *what, const char *path)
{
	struct reason why, hint;
	int err;

	if (path == NULL)
		return CLI_OK;
	err = user_key_list_check(r, list, &why);
	printf("who        %s %s", what, path);
	if (err == ERR_SYS || err == ERR_NOTFOUND)
		printf(" (can't be read!): %s", why_not(path, &hint));
	else if (err != 0)
		printf(" (refused!): %s", why.text);
	putchar('\n');
	return err == 0 ? CLI_OK : CLI_FAILED;
}

static int
show_proofs(const struct route *r)
{
	int status, other;
	size_t i;

	status = show_list(r, USER_KEY_AUTHORIZED, "the keys in", r->authorized_keys_file);
	if (r->authorized_keys.n > 0)
		printf("who        %zu AuthorizedKey line%s\n", r->authorized_keys.n,
		    r->authorized_keys.n == 1 ? "" : "s");
	other = show_list(r, USER_KEY_TRUSTED, "the certificates of the CAs in",
	    r->trusted_user_ca_keys);
	status = status != CLI_OK ? status : other;
	for (i = 0; i < r->authorized_principals.n; i++)
		printf("%s %s\n",
		    i == 0 ? "           with principal" : "                       or",
		    r->authorized_principals.v[i]);
	other = show_list(r, USER_KEY_REVOKED, "but no key that is revoked in", r->revoked_keys);
	status = status != CLI_OK ? status : other;
	if (r->password_hash != NULL)
		puts("who        the password of PasswordHash");
	if (r->passthrough)
		puts("who        whom the machine behind lets in with a password or answers");
	if (r->authentication_methods.n > 0)
		for (i = 0; i < r->methods.n; i++)
			printf("%s %s\n", i == 0 ? "methods   " : "        or", r->methods.v[i]);
	return status;
}

/* --- the machine behind --- */

/* What is known of one of its addresses, in the text of the known hosts. */
static void
show_host_key(const struct route *r, const char *host, const struct buf *text)
{
	static const char *const unknown[] = {
		[ROUTE_STRICT_YES] = "none is known: connections will be refused",
		[ROUTE_STRICT_ACCEPT_NEW] = "none is known: the first one seen will be kept",
		[ROUTE_STRICT_NO] = "none is known, and any is taken",
	};
	const char *known = (const char *)text->data;
	struct buf types;
	int authority;

	buf_init(&types, 4096);
	known_hosts_algorithms(known, text->len, host, r->port, show_algorithms, 1, &types);
	authority = known_hosts_has_authority(known, text->len, host, r->port);
	if (authority)
		printf("host key   %s port %u: a certificate, by an authority that is known\n",
		    host, r->port);
	if (types.len > 0)
		printf("host key   %s port %u: known for %.*s\n", host, r->port, (int)types.len,
		    (const char *)types.data);
	else if (!authority && r->host_key_fingerprints.n == 0)
		printf("host key   %s port %u: %s\n", host, r->port, unknown[r->strict]);
	buf_free(&types);
}

static int
show_host_keys(const struct args *a, const struct route *r)
{
	struct reason why, hint;
	int status = CLI_OK, learns, err, fd;
	struct buf text;
	size_t i;

	for (i = 0; i < r->known_hosts_files.n; i++) {
		err = route_file_open(r, r->known_hosts_files.v[i], &fd, &why);
		fd_close(&fd);
		if (err == ERR_SYS || err == ERR_NOTFOUND)
			reason_set(&why, "%s", why_not(r->known_hosts_files.v[i], &hint));
		if (err != 0)
			printf("host key   %s: %s\n", r->known_hosts_files.v[i], why.text);
		if (err != 0 && err != ERR_NOTFOUND)
			status = CLI_FAILED;
	}
	buf_init(&text, KNOWN_HOSTS_MAX);
	if (host_key_read_known(r, &text, &why) != 0) {
		if (status == CLI_OK)
			printf("host key   %s\n", why.text);
		status = CLI_FAILED;
	}
	for (i = 0; i < r->host_key_fingerprints.n; i++)
		printf("host key   %s\n", r->host_key_fingerprints.v[i]);
	for (i = 0; i < r->hosts.n; i++)
		show_host_key(r, r->hosts.v[i], &text);
	buf_free(&text);
	learns = as_user_other(&a->become) && status == CLI_OK ? host_key_add_check(r, &why) : 0;
	if (learns != 0)
		printf("host key   %s\n", why.text);
	return learns < 0 ? CLI_FAILED : status;
}

/* --- the command --- */

static int
show_route(const struct args *a, const struct conf *conf, const struct route *r)
{
	const char *user = r->user != NULL ? r->user : a->login;
	int status, other;
	size_t i;

	printf("login      %s\n", a->login);
	printf("found by   %s: [route %s] at %s\n", r->backend, r->name, r->source);
	for (i = 0; i < r->hosts.n; i++)
		printf("%s %s@%s port %u\n", i == 0 ? "leads to  " : "or, then  ", user,
		    r->hosts.v[i], r->port);
	status = show_proofs(r);
	other = show_key(a, conf, r);
	status = status != CLI_OK ? status : other;
	other = show_password(a, conf, r);
	status = status != CLI_OK ? status : other;
	other = show_host_keys(a, r);
	status = status != CLI_OK ? status : other;
	if (a->key != NULL) {
		other = show_may(a, r);
		status = status != CLI_OK ? status : other;
	}
	if (a->dial) {
		other = route_dial(r, conf, &a->become);
		status = status != CLI_OK ? status : other;
	}
	return status;
}

/* The key of --key, as the lookup wants it: "SHA256:..." and "TYPE BASE64". */
static void
show_as(const struct args *a, char fingerprint[PUBKEY_FINGERPRINT_SIZE], struct buf *key)
{
	fingerprint[0] = '\0';
	if (a->key != NULL) {
		pubkey_fingerprint(buf_bytes(&a->blob), fingerprint);
		pubkey_format(buf_bytes(&a->blob), key);
	}
}

/* Nobody has that login: whoever was asked. */
static void
show_unknown(const char *login, const struct conf *conf)
{
	const struct strlist *order = &conf->lookup.order;
	size_t i;

	if (order->n == 1 && strcmp(order->v[0], "ini") == 0) {
		printf("%s: no such login: no [route] in %s is for it\n", login, conf->dir);
		return;
	}
	printf("%s: no such login: it is unknown to", login);
	for (i = 0; i < order->n; i++)
		printf(" %s", order->v[i]);
	printf(", all of [lookup] Order\n");
}

static int
explain(const struct args *a)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	int by_key = 0;

	struct lookup_request request = { .login = a->login,
		.client_address = a->from != NULL ? a->from : "",
		.local_address = a->to != NULL ? a->to : "",
		.fingerprint = fingerprint,
		.method = a->key != NULL ? "publickey" : "none",
		.by_key = &by_key };
	struct conf_errors errors = { 0 };
	struct lookup *lookup = NULL;
	struct conf *conf = NULL;
	struct route *r = NULL;
	int status = CLI_CONFIG;
	char login[1024];
	struct buf key;

	log_vis(login, sizeof(login), a->login, strlen(a->login));
	if (!login_name_ok(a->login, strlen(a->login))) {
		fprintf(stderr,
		    "sallyport: \"%s\" can't be a login: 1 to 255 bytes of printable text, no /, "
		    "no leading -\n",
		    login);
		return CLI_FAILED;
	}
	if (conf_load(a->dir, CONF_ALL, &conf, &errors) != 0 ||
	    lookup_new(conf, &errors, &lookup) != 0) {
		conf_errors_print(&errors, stderr);
		goto out;
	}
	status = CLI_FAILED;
	buf_init(&key, 65536);
	show_as(a, fingerprint, &key);
	request.public_key = buf_cstr(&key);
	switch (find_route(&a->become, lookup, &request, stdout, &r)) {
	case LOOKUP_FOUND:
		status = show_route(a, conf, r);
		break;
	case LOOKUP_NOT_FOUND:
		show_unknown(login, conf);
		if (by_key && a->key == NULL)
			printf("%s: it may depend on the key: try --key FILE.pub\n", login);
		break;
	case LOOKUP_FAILED:
		printf("%s: the lookup failed: logins are refused until it works again\n", login);
		break;
	case LOOKUP_ASK:
		break; /* find_route() does not come back with it */
	}
	buf_free(&key);
out:
	route_unref(&r);
	lookup_free(&lookup);
	conf_free(&conf);
	conf_errors_free(&errors);
	return status;
}

static int
is_address(const char *option, const char *text)
{
	struct in6_addr raw;

	if (text == NULL || inet_pton(AF_INET, text, &raw) == 1 ||
	    inet_pton(AF_INET6, text, &raw) == 1)
		return 1;
	fprintf(stderr, "sallyport: %s: \"%.100s\" is not an IPv4 or IPv6 address\n", option, text);
	return 0;
}

static int
route_run(int argc, char **argv)
{
	struct args a = { 0 };
	const struct cli_option options[] = {
		{ "config", 'c', &a.dir, NULL },
		{ "dial", 0, NULL, &a.dial },
		{ "from", 0, &a.from, NULL },
		{ "key", 0, &a.key, NULL },
		{ "to", 0, &a.to, NULL },
		{ 0 },
	};
	int at = cli_options(argc, argv, options, &cli_route), status, err;

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	if (at != argc - 1)
		return cli_wrong_usage(&cli_route);
	if (!is_address("--from", a.from) || !is_address("--to", a.to))
		return CLI_USAGE;
	a.login = argv[at];
	buf_init(&a.blob, 65536);
	/* that one is the operator's, and no file of the gateway's */
	err = a.key == NULL ? 0 : read_public(a.key, &a.blob);
	if (err != 0) {
		if (err == ERR_PERM)
			fprintf(stderr,
			    "sallyport: %s: is a private key; --key takes its public half: --key "
			    "%s.pub\n",
			    a.key, a.key);
		else
			fprintf(stderr, "sallyport: %s: %s\n", a.key,
			    err == ERR_FORMAT ? "not an OpenSSH public key" : err_str(err));
		buf_free(&a.blob);
		return CLI_FAILED;
	}
	as_user_init(&a.become, a.dir);
	as_user_keeper(&a.become);
	status = explain(&a);
	as_user_self();
	as_user_free(&a.become);
	buf_free(&a.blob);
	return status;
}

const struct cli_command cli_route = {
	.name = "route",
	.summary = "who answers for a login, where it leads, why not",
	.usage = "usage: sallyport route LOGIN [-c DIR] [--key FILE.pub] "
		 "[--from ADDRESS] [--to ADDRESS] [--dial]\n",
	.help =
	    "\n"
	    "Says which lookup backend answers for LOGIN, where it leads, who may log in and\n"
	    "how the machine behind is told from an impostor.  With --key, whether the owner of\n"
	    "that public key may log in; with --from and --to, for a person who comes from that\n"
	    "address, and to that address of the gateway; with --dial, whether the machine behind\n"
	    "can be reached and shows a host key that is accepted; it does not log in there.\n"
	    "\n"
	    "Exit status: 0 all of it works, 1 something does not, 78 errors in the configuration.\n",
	.run = route_run,
};
