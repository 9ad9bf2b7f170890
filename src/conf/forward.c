/*
 * The keyword table of [forward NAME] (forward.h).  Called by sections.c.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/names.h"
#include "conf/arena.h"
#include "conf/forward.h"
#include "conf/sections.h"
#include "formats/address.h"
#include "formats/destination.h"

/* Sections: each is looked at for a connection, and the table of their counts is the master's.  All of them
 * as text go to the master in one message, beside [gateway]. */
#define FORWARDS_MAX 128
#define FORWARDS_TEXT_MAX (32 * 1024)

static const struct {
	const char *name;
	unsigned int bit;
} forward_protocols[] = {
	{ "tls", FORWARD_TLS },
	{ "http", FORWARD_HTTP },
	{ "xmpp", FORWARD_XMPP },
	{ "openvpn", FORWARD_OPENVPN },
	{ "ssh", FORWARD_SSH },
	{ "connect", FORWARD_CONNECT },
	{ "banner", FORWARD_BANNER },
	{ "any", FORWARD_ANY },
};

/* Protocols that name a host. */
#define FORWARD_NAMES_HOST \
	(FORWARD_TLS | FORWARD_HTTP | FORWARD_XMPP | FORWARD_CONNECT | FORWARD_BANNER)

#define LEN(table) (sizeof(table) / sizeof((table)[0]))

/* --- values --- */

/* 0: there is no such protocol. */
static unsigned int
forward_protocol_bit(const char *word)
{
	size_t i;

	for (i = 0; i < LEN(forward_protocols); i++)
		if (strcasecmp(forward_protocols[i].name, word) == 0)
			return forward_protocols[i].bit;
	return 0;
}

static int
forward_check_protocol(const char *word, struct reason *why)
{
	size_t i;

	if (forward_protocol_bit(word) != 0)
		return 0;
	keyword_bad(why, "\"%.80s\" is none of:", word);
	for (i = 0; i < LEN(forward_protocols); i++)
		reason_add(why, " %s", forward_protocols[i].name);
	return ERR_FORMAT;
}

static int
forward_hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);

	return p == NULL ? -1 : (int)(p - digits);
}

int
forward_bytes(const char *text, uint8_t out[FORWARD_BYTES_MAX])
{
	const char *p;
	int n = 0;

	for (p = text; *p != '\0'; n++) {
		if (n == FORWARD_BYTES_MAX)
			return ERR_FORMAT;
		if (p[0] != '\\') {
			out[n] = (uint8_t)*p++;
		} else if (p[1] == '\\') {
			out[n] = '\\';
			p += 2;
		} else if (p[1] == 'x' && forward_hex(p[2]) != -1 && forward_hex(p[3]) != -1) {
			out[n] = (uint8_t)(forward_hex(p[2]) << 4 | forward_hex(p[3]));
			p += 4;
		} else {
			return ERR_FORMAT;
		}
	}
	return n;
}

static int
forward_check_bytes(const char *text, struct reason *why)
{
	uint8_t bytes[FORWARD_BYTES_MAX];
	const int n = forward_bytes(text, bytes);

	if (n > 0 && (n < 4 || memcmp(bytes, "SSH-", 4) != 0))
		return 0;
	return keyword_bad(why,
	    n > 0 ?
		"\"%.80s\" is SSH: write Protocol = ssh" :
		"\"%.80s\" is not text of at most 256 bytes, with \\xHH for other bytes and \\\\ "
		"for a backslash, such as \\x00\\x0e8",
	    text);
}

/* A name, a pattern, or an address, which some clients give as a name. */
static int
forward_check_host(const char *word, struct reason *why)
{
	size_t len = strlen(word);

	if (len < DESTINATION_HOST_SIZE &&
	    strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:*?") ==
		len)
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" is not a name or a pattern, such as www.example.org *.example.org", word);
}

static int
forward_check_alpn(const char *word, struct reason *why)
{
	if (strlen(word) < 256 && strchr(word, ',') == NULL)
		return 0;
	return keyword_bad(why, "\"%.80s\" is not a name of ALPN, such as h2 or http/1.1", word);
}

static int
forward_check_address(const char *word, struct reason *why)
{
	if (address_list_ok(word))
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" is not an address or a network, such as 192.0.2.7 10.0.0.0/8 "
	    "!10.9.0.0/16 2001:db8::/32",
	    word);
}

static int
forward_check_port(const char *word, struct reason *why)
{
	uint16_t port;

	if (conf_port(word, &port) == 0)
		return 0;
	return keyword_bad(why, "\"%.80s\" is not a port from 1 to 65535", word);
}

static int
forward_check_target(const char *word, struct reason *why)
{
	static const char form[] = "is not HOST:PORT, [ADDRESS]:PORT, %h:PORT, unix:/PATH or "
				   "tunnel:NAME";
	const char *colon = strrchr(word, ':'), *tunnel = tunnel_name_of_host(word);
	char host[DESTINATION_HOST_SIZE], name[TUNNEL_NAME_SIZE];
	size_t len;
	uint16_t port;

	if (strncmp(word, "unix:", 5) == 0) {
		if (word[5] == '/' &&
		    strlen(word + 5) < sizeof(((struct sockaddr_un *)0)->sun_path))
			return 0;
		return keyword_bad(why,
		    "\"%.120s\" is not unix: and an absolute path of at most %zu "
		    "bytes",
		    word, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	}
	if (tunnel != NULL) {
		if (strcmp(tunnel, "%1") == 0 || tunnel_name_set(tunnel, name) == 0)
			return 0;
		return keyword_bad(why, "\"%.80s\" is not tunnel:NAME or tunnel:%%1", word);
	}
	if (colon == NULL || (conf_port(colon + 1, &port) != 0 && strcmp(colon + 1, "%p") != 0))
		return keyword_bad(why, "\"%.80s\" %s", word, form);
	len = (size_t)(colon - word);
	if (word[0] == '[' && len > 2 && word[len - 1] == ']') {
		word++;
		len -= 2;
	} else if (memchr(word, ':', len) != NULL) {
		return keyword_bad(why, "\"%.80s\": an IPv6 address goes in brackets: [::1]:443",
		    word);
	}
	snprintf(host, sizeof(host), "%.*s", (int)(len < sizeof(host) ? len : sizeof(host)), word);
	if (len < sizeof(host) && (strcmp(host, "%h") == 0 || destination_host_ok(host)))
		return 0;
	return keyword_bad(why, "\"%.80s\" %s", word, form);
}

/* --- the table --- */

static const char *const forward_modes[] = { "pass", "raw", NULL };
static const char *const forward_proxy_names[] = { "no", "v1", "v2", NULL };

#define F(member) .offset = offsetof(struct conf_forward, member)

static const struct keyword forward_table[] = {
	{ "Protocol", &keyword_words, F(protocol_words), .check = forward_check_protocol },
	{ "FirstBytes", &keyword_string, F(first_bytes), .check = forward_check_bytes,
	    .flags = KEYWORD_HASH },
	{ "MatchHost", &keyword_words, F(match_host), .check = forward_check_host },
	{ "MatchALPN", &keyword_words, F(match_alpn), .check = forward_check_alpn },
	{ "MatchAddress", &keyword_words, F(match_address), .check = forward_check_address },
	{ "MatchLocalAddress", &keyword_words, F(match_local_address),
	    .check = forward_check_address },
	{ "MatchLocalPort", &keyword_words, F(match_local_ports), .check = forward_check_port },
	{ "Mode", &keyword_choice, F(mode), .choices = forward_modes, .value = "pass" },
	{ "Target", &keyword_words, F(targets), .check = forward_check_target },
	{ "AllowDestinations", &keyword_words, F(destinations), .check = destination_check },
	{ "ConnectTimeout", &keyword_time, F(connect_timeout_ms), .value = "10s", .min = 1000,
	    .max = 300000 },
	{ "IdleTimeout", &keyword_time, F(idle_timeout_ms), .value = "1h" },
	{ "SendProxy", &keyword_choice, F(send_proxy), .choices = forward_proxy_names,
	    .value = "no" },
	{ "MaxConnections", &keyword_int, F(max_connections), .value = "4096", .min = 1,
	    .max = 1000000 },
};

const struct keyword *
forward_keywords(size_t *n)
{
	*n = LEN(forward_table);
	return forward_table;
}

/* --- rules about keywords that go together --- */

/* How many targets have this, %h or %p. */
static size_t
forward_targets_have(const struct conf_forward *f, const char *percent)
{
	size_t i, n = 0;

	for (i = 0; i < f->targets.n; i++)
		n += strncmp(f->targets.v[i], "unix:", 5) != 0 &&
		    strstr(f->targets.v[i], percent) != NULL;
	return n;
}

/* Of a section that leads into tunnels: what is wrong with it, or NULL. */
static const char *
forward_tunnel_wrong(const struct conf_forward *f)
{
	const char *name = tunnel_name_of_host(f->targets.v[0]);
	size_t i;

	if (f->targets.n > 1)
		return "has tunnel: and another Target: a tunnel is the only one";
	if (f->send_proxy != 0)
		return "has SendProxy, which does not go into tunnels";
	if ((f->protocols & FORWARD_CONNECT) != 0)
		return "has Protocol = connect, which does not lead into tunnels";
	for (i = 0; strcmp(name, "%1") == 0 && i < f->match_host.n; i++)
		if (strncmp(f->match_host.v[i], "*.", 2) != 0 ||
		    strpbrk(f->match_host.v[i] + 2, "*?") != NULL)
			return "has tunnel:%1, what the * of MatchHost stands for: write MatchHost = "
			       "*.DOMAIN";
	if (strcmp(name, "%1") == 0 && f->match_host.n == 0)
		return "has tunnel:%1, what the * of MatchHost stands for: write MatchHost = "
		       "*.DOMAIN";
	return NULL;
}

static int
forward_has_tunnel(const struct conf_forward *f)
{
	size_t i = 0;

	while (i < f->targets.n && tunnel_name_of_host(f->targets.v[i]) == NULL)
		i++;
	return i < f->targets.n;
}

int
forward_tunnel(const struct conf_forward *f, const char *host, char name[TUNNEL_NAME_SIZE])
{
	const char *target = tunnel_name_of_host(f->targets.v[0]);
	char label[DESTINATION_HOST_SIZE];
	size_t i, len = strlen(host), domain;

	name[0] = '\0';
	if (target == NULL)
		return 0;
	snprintf(label, sizeof(label), "%s", target);
	if (strcmp(target, "%1") == 0)
		label[0] = '\0';
	for (i = 0; strcmp(target, "%1") == 0 && label[0] == '\0' && i < f->match_host.n; i++) {
		domain = strlen(f->match_host.v[i]) - 1; /* with its dot */
		if (len > domain && len - domain < sizeof(label) &&
		    strcasecmp(host + len - domain, f->match_host.v[i] + 1) == 0)
			snprintf(label, sizeof(label), "%.*s", (int)(len - domain), host);
	}
	if (tunnel_name_set(label, name) != 0)
		name[0] = '\0';
	return 1;
}

const char *
forward_tunnel_domain(const struct conf *conf)
{
	const struct conf_forward *f;
	size_t i;

	for (i = 0; i < conf->n_forwards; i++) {
		f = &conf->forwards[i];
		if (strcmp(f->targets.v[0], TUNNEL_HOST "%1") == 0)
			return f->match_host.v[0] + 2;
	}
	return NULL;
}

/* Is FirstBytes the beginning of a request, "GET /x", so that there is a host? */
static int
forward_bytes_are_http(const struct conf_forward *f)
{
	const char *text = f->first_bytes != NULL ? f->first_bytes : "";
	const size_t method = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");

	return method > 0 && text[method] == ' ';
}

/* What is wrong with the section, or NULL. */
static const char *
forward_wrong(const struct conf_forward *f)
{
	const size_t expands = forward_targets_have(f, "%h");

	if (f->targets.n == 0)
		return "has no Target: where to send these connections";
	if (f->protocols == 0 && f->first_bytes == NULL)
		return "has no Protocol: which connections it is for";
	if (f->protocols != 0 && f->first_bytes != NULL)
		return "has Protocol and FirstBytes: write one of them, and two sections for both";
	if ((f->protocols & FORWARD_ANY) != 0 && f->protocols != FORWARD_ANY)
		return "has Protocol = any, which stands for all: write the others in a section of "
		       "their own";
	if (f->match_alpn.n > 0 && f->protocols != FORWARD_TLS)
		return "has MatchALPN, which needs Protocol = tls";
	if (f->match_host.n > 0 && f->mode == FORWARD_PASS && !forward_bytes_are_http(f) &&
	    (f->protocols & (FORWARD_NAMES_HOST | FORWARD_ANY)) == 0)
		return "has MatchHost, but its Protocol names no host";
	if (expands > 0 && f->mode == FORWARD_PASS && (f->protocols & FORWARD_NAMES_HOST) == 0)
		return "has %h in its Target, but its Protocol names no host";
	if (forward_targets_have(f, "%p") > 0 && f->protocols != FORWARD_CONNECT)
		return "has %p in its Target, which needs Protocol = connect";
	if (expands > 0 && f->destinations.n == 0)
		return "has %h in its Target: AllowDestinations has to say which hosts and ports "
		       "clients may name, such as *.example.org:443";
	if (expands > 0 && expands < f->targets.n)
		return "has %h in one Target and not in another: AllowDestinations would be for "
		       "both, so write two sections";
	if (expands == 0 && f->destinations.n > 0)
		return "has AllowDestinations, which is for %h in Target";
	return forward_has_tunnel(f) ? forward_tunnel_wrong(f) : NULL;
}

static void
forward_parse(struct conf *conf, const struct conf_section *s, struct conf_forward *f,
    struct conf_errors *errors)
{
	struct keyword_ctx ctx = { .conf = conf };
	struct reason why = { "" };
	const size_t before = errors->n;
	const char *wrong = NULL;
	size_t i;

	f->name = s->name;
	keyword_parse(forward_table, LEN(forward_table), s, f, &ctx, errors);
	for (i = 0; i < f->protocol_words.n; i++)
		f->protocols |= forward_protocol_bit(f->protocol_words.v[i]);
	if (key_name_check(s->name, &why) != 0)
		conf_error(errors, s->file, s->line, "[forward %.80s]: %s", s->name, why.text);
	/* what is missing may be in a line with an error */
	if (errors->n == before)
		wrong = forward_wrong(f);
	if (wrong != NULL)
		conf_error(errors, s->file, s->line, "[forward %s] %s", s->name, wrong);
}

void
forwards_parse(struct conf *conf, struct conf_errors *errors)
{
	const struct conf_section *s;
	size_t i, n = 0;

	for (i = 0; i < conf->n_sections; i++)
		n += strcmp(conf->sections[i].kind, "forward") == 0;
	if (n == 0)
		return;
	conf->forwards = calloc(n, sizeof(*conf->forwards));
	if (conf->forwards == NULL) {
		conf_error(errors, conf->dir, 0, "out of memory");
		return;
	}
	for (i = 0; i < conf->n_sections; i++) {
		s = &conf->sections[i];
		if (strcmp(s->kind, "forward") != 0)
			continue;
		forward_parse(conf, s, &conf->forwards[conf->n_forwards++], errors);
		if (conf->n_forwards == FORWARDS_MAX + 1)
			conf_error(errors, s->file, s->line, "more than %d [forward] sections",
			    FORWARDS_MAX);
	}
	sections_check_size(conf, "forward", forwards_dump, FORWARDS_TEXT_MAX, errors);
}

void
forwards_clear(struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->n_forwards; i++)
		keyword_clear(forward_table, LEN(forward_table), &conf->forwards[i]);
	free(conf->forwards);
	conf->forwards = NULL;
	conf->n_forwards = 0;
}

void
forwards_dump(const struct conf *conf, FILE *to)
{
	size_t i;

	for (i = 0; i < conf->n_forwards; i++) {
		fprintf(to, "\n[forward %s]\n", conf->forwards[i].name);
		keyword_dump(forward_table, LEN(forward_table), &conf->forwards[i], to);
	}
}
