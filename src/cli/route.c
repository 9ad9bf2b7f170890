/*
 * sallyport route: which lookup backend answers for a login, where it leads, or why it leads
 * nowhere.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/names.h"
#include "cli/cli.h"
#include "cli/find_route.h"
#include "access/user_key.h"
#include "cli/route.h"
#include "formats/pubkey.h"
#include "lookup/lookup.h"

#define FILE_MAX (16 * 1024 * 1024)

/* Append a file; 0, or an ERR_* with errno. */
static int
route_read_file(const char *path, struct buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err;

	if (fd == -1)
		return ERR_SYS;
	err = fd_read_all(fd, b);
	fd_close(&fd);
	return err;
}

/* The public key in a file, as OpenSSH writes it.  ERR_PERM: it is a private key, which is
 * not decoded. */
static int
route_read_public(const char *path, struct buf *blob)
{
	struct buf text;
	size_t len;
	int err;

	buf_init(&text, FILE_MAX);
	err = route_read_file(path, &text);
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

/* The key of --key, as the lookup wants it: "SHA256:..." and "TYPE BASE64". */
static void
route_key_words(const struct route_args *a, char fingerprint[PUBKEY_FINGERPRINT_SIZE],
    struct buf *key)
{
	fingerprint[0] = '\0';
	if (a->key != NULL) {
		pubkey_fingerprint(buf_bytes(&a->blob), fingerprint);
		pubkey_format(buf_bytes(&a->blob), key);
	}
}

/* No lookup backend knows the login. */
static void
route_print_unknown(const char *login, const struct conf *conf)
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

/* Look the login up, and print what was found. */
static int
route_explain(const struct route_args *a, struct find_route *f)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], login[1024];
	int by_key = 0, status = CLI_FAILED;
	struct lookup_request request = { .login = a->login,
		.client_address = a->from != NULL ? a->from : "",
		.local_address = a->to_address,
		.local_port = a->to_port,
		.host = a->host_name,
		.fingerprint = fingerprint,
		.method = a->key != NULL ? "publickey" : "none",
		.by_key = &by_key };
	int certified = CLI_OK;
	struct buf key;

	log_vis(login, sizeof(login), a->login, strlen(a->login));
	buf_init(&key, 65536);
	route_key_words(a, fingerprint, &key);
	request.public_key = buf_cstr(&key);
	request.key = buf_bytes(&a->blob);
	request.listed = user_key_listed;
	if (a->client_certificate != NULL) {
		request.certificate = &a->certificate.certificate;
		certified = route_certificate_show(a, f->conf);
	}
	switch (find_route(f, &request, stdout)) {
	case LOOKUP_FOUND:
		status = route_show(a, f);
		break;
	case LOOKUP_NOT_FOUND:
		route_print_unknown(login, f->conf);
		if (by_key && a->key == NULL)
			printf("%s: it may depend on the key: try --key FILE.pub\n", login);
		break;
	case LOOKUP_FAILED:
		printf("%s: the lookup failed: logins are refused until it works again\n", login);
		break;
	case LOOKUP_ASK:
		break; /* find_route() never returns it */
	}
	buf_free(&key);
	return certified != CLI_OK ? certified : status;
}

static int
route_is_address(const char *text)
{
	struct in6_addr raw;

	return inet_pton(AF_INET, text, &raw) == 1 || inet_pton(AF_INET6, text, &raw) == 1;
}

/* Split "192.0.2.1:22" or "[2001:db8::1]:22".  1 if there is a port behind the address. */
static int
route_split_to(struct route_args *a)
{
	const char *colon = strrchr(a->to, ':'), *from = a->to;
	size_t len;

	if (colon == NULL || conf_port(colon + 1, &a->to_port) != 0)
		return 0;
	len = (size_t)(colon - from);
	if (from[0] == '[') {
		if (len < 2 || from[len - 1] != ']')
			return 0;
		from++;
		len -= 2;
	}
	if (len >= sizeof(a->to_address))
		return 0;
	snprintf(a->to_address, sizeof(a->to_address), "%.*s", (int)len, from);
	/* brackets around IPv6, and only there: not 1:2:3:4:5:6:7:8:22 */
	return route_is_address(a->to_address) &&
	    (a->to[0] == '[') == (strchr(a->to_address, ':') != NULL);
}

/* Check --from and --to, and take the latter apart.  1; else why not has been printed. */
static int
route_take_addresses(struct route_args *a)
{
	if (a->from != NULL && !route_is_address(a->from)) {
		fprintf(stderr, "sallyport: --from: \"%.100s\" is not an IPv4 or IPv6 address\n",
		    a->from);
		return 0;
	}
	if (a->to != NULL && route_is_address(a->to)) {
		snprintf(a->to_address, sizeof(a->to_address), "%s", a->to);
	} else if (a->to != NULL && !route_split_to(a)) {
		fprintf(stderr,
		    "sallyport: --to: \"%.100s\" is not an IPv4 or IPv6 address, alone or as "
		    "ADDRESS:PORT or [ADDRESS]:PORT\n",
		    a->to);
		return 0;
	}
	return 1;
}

/* Check --host, and take it in lower case.  1; else why not has been printed. */
static int
route_take_host(struct route_args *a)
{
	size_t i;

	if (a->host == NULL)
		return 1;
	if (!destination_host_ok(a->host)) {
		fprintf(stderr,
		    "sallyport: --host: \"%.100s\" is not a host name or a numeric address\n",
		    a->host);
		return 0;
	}
	for (i = 0; a->host[i] != '\0'; i++)
		a->host_name[i] = (char)tolower((unsigned char)a->host[i]);
	return 1;
}

static int
route_login_ok(const char *login)
{
	char shown[1024];

	if (login_name_ok(login, strlen(login)))
		return 1;
	fprintf(stderr,
	    "sallyport: \"%s\" can't be a login: 1 to 255 bytes of printable text, no /, "
	    "no leading -\n",
	    log_vis(shown, sizeof(shown), login, strlen(login)));
	return 0;
}

/* Read the file of --key, if there is one.  1; else why not has been printed. */
static int
route_take_key(struct route_args *a)
{
	int err = a->key == NULL ? 0 : route_read_public(a->key, &a->blob);

	if (err == ERR_PERM)
		fprintf(stderr,
		    "sallyport: %s: is a private key; --key takes its public half: --key "
		    "%s.pub\n",
		    a->key, a->key);
	else if (err != 0)
		fprintf(stderr, "sallyport: %s: %s\n", a->key,
		    err == ERR_FORMAT ? "not an OpenSSH public key" : err_str(err));
	return err == 0;
}

/* Read the file of --client-certificate, if there is one.  1; else why not has been printed. */
static int
route_take_certificate(struct route_args *a)
{
	struct reason why;
	struct buf pem;
	int err;

	if (a->client_certificate == NULL)
		return 1;
	buf_init(&pem, FILE_MAX);
	err = route_read_file(a->client_certificate, &pem);
	if (err != 0)
		reason_set(&why, "%s", err_str(err));
	else
		err = route_certificate_read(&pem, &a->certificate, &why);
	if (err != 0)
		fprintf(stderr, "sallyport: %s: %s\n", a->client_certificate, why.text);
	buf_wipe(&pem);
	return err == 0;
}

static int
route_run(int argc, char **argv)
{
	struct route_args a = { 0 };
	const struct cli_option options[] = {
		{ "client-certificate", 0, &a.client_certificate, NULL },
		{ "config", 'c', &a.dir, NULL },
		{ "dial", 0, NULL, &a.dial },
		{ "from", 0, &a.from, NULL },
		{ "host", 0, &a.host, NULL },
		{ "key", 0, &a.key, NULL },
		{ "to", 0, &a.to, NULL },
		{ 0 },
	};
	int at = cli_options(argc, argv, options, &cli_route), status;
	struct find_route f;

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	if (at < argc - 1 ||
	    (at == argc &&
		(a.dial || a.client_certificate != NULL || a.from != NULL || a.host != NULL ||
		    a.key != NULL || a.to != NULL)))
		return cli_wrong_usage(&cli_route);
	if (at == argc) {
		status = find_route_open(&f, a.dir);
		if (status == CLI_OK)
			status = route_list(&f);
		find_route_close(&f);
		return status;
	}
	if (!route_take_addresses(&a) || !route_take_host(&a))
		return CLI_USAGE;
	a.login = argv[at];
	buf_init(&a.blob, 65536);
	/* read before the change of user: the files are the caller's, not the gateway's */
	if (!route_take_key(&a) || !route_take_certificate(&a) || !route_login_ok(a.login)) {
		status = CLI_FAILED;
	} else {
		status = find_route_open(&f, a.dir);
		if (status == CLI_OK)
			status = route_explain(&a, &f);
		find_route_close(&f);
	}
	buf_free(&a.blob);
	route_certificate_free(&a.certificate);
	return status;
}

const struct cli_command cli_route = {
	.name = "route",
	.summary = "how a login is routed, and why not",
	.usage = "usage: sallyport route [LOGIN] [-c DIR] [--key FILE.pub] "
		 "[--from ADDRESS] [--to ADDRESS[:PORT]] [--host NAME] "
		 "[--client-certificate FILE.pem] [--dial]\n",
	.help =
	    "\n"
	    "Show which lookup backend answers for LOGIN, where it leads, who may log in, and\n"
	    "which host keys the upstream may have.  Without LOGIN, list all routes: name,\n"
	    "upstream, and the user there (%u is the login).\n"
	    "  --key FILE.pub  also whether this public key may log in\n"
	    "  --from ADDRESS  for a client with this address\n"
	    "  --to ADDRESS    for a client that connects to this address of the gateway;\n"
	    "                  with a port: 192.0.2.1:22, [2001:db8::1]:22\n"
	    "  --host NAME     for a client whose connection names this host outside of SSH,\n"
	    "                  as in TLS\n"
	    "  --client-certificate FILE.pem\n"
	    "                  for a TLS client that shows this certificate, as if ClientCA had\n"
	    "                  issued it; also which line of ClientRules decides\n"
	    "  --dial          also whether the upstream can be reached, has a host key that\n"
	    "                  is accepted, and takes the mapped key, without logging in there\n"
	    "\n"
	    "Exit status: 0 all of it works, 1 something does not, 78 errors in the\n"
	    "configuration.\n",
	.run = route_run,
};
