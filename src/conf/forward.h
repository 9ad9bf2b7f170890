/*
 * Sections [forward NAME]: connections that are no SSH, and where they are sent.
 */
#ifndef CONF_FORWARD_H
#define CONF_FORWARD_H

#include "conf/conf.h"
#include "conf/keyword.h"
#include "formats/tunnel_name.h"

/* What a Protocol takes, each a bit. */
enum forward_protocol {
	FORWARD_TLS = 1 << 0,
	FORWARD_HTTP = 1 << 1,
	FORWARD_XMPP = 1 << 2,
	FORWARD_OPENVPN = 1 << 3,
	FORWARD_SSH = 1 << 4,
	FORWARD_CONNECT = 1 << 5,
	FORWARD_BANNER = 1 << 6,
	FORWARD_ANY = 1 << 7, /* what no other section takes */
};

enum forward_mode {
	FORWARD_PASS, /* as it comes */
	FORWARD_RAW,  /* what is inside of a TLS connection that the gateway has ended */
};

/* Bytes of one FirstBytes, and of the name of a section. */
#define FORWARD_BYTES_MAX 256
#define FORWARD_NAME_MAX 64

struct conf_forward {
	const char *name; /* of the section, in the arena */
	struct strlist protocol_words;
	unsigned int protocols;	   /* bits of enum forward_protocol; 0 with FirstBytes */
	char *first_bytes;	   /* as written, or NULL */
	struct strlist match_host; /* patterns for match_pattern() */
	struct strlist match_alpn;
	struct strlist match_address; /* words, each a list for address_match() */
	struct strlist match_local_address;
	struct strlist match_local_ports;
	int mode;		/* enum forward_mode; default pass */
	struct strlist targets; /* HOST:PORT, unix:PATH; with %h and %p; or tunnel:NAME alone */
	struct strlist destinations; /* AllowDestinations; empty without %h */
	int connect_timeout_ms;	     /* default 10 s */
	int idle_timeout_ms;	     /* default 1 h; 0: none */
	int send_proxy;		     /* version of the PROXY header, 0: none */
	int max_connections;	     /* default 4096 */
};

/* Fill conf->forwards from the sections, with defaults.  Everything wrong is added to errors. */
void forwards_parse(struct conf *conf, struct conf_errors *errors);
void forwards_clear(struct conf *conf);
void forwards_dump(const struct conf *conf, FILE *to);

const struct keyword *forward_keywords(size_t *n);

/* The bytes that a FirstBytes stands for: their number, or ERR_FORMAT. */
int forward_bytes(const char *text, uint8_t out[FORWARD_BYTES_MAX]) MUST_CHECK;

/* Does the section lead into tunnels (Mode = tunnel of a route)?  1; name is that of the tunnel for this
 * host, or "" if the host names none. */
int forward_tunnel(const struct conf_forward *f, const char *host, char name[TUNNEL_NAME_SIZE]);

/* The domain that is served from tunnels, NAME.DOMAIN from the tunnel NAME; or NULL. */
const char *forward_tunnel_domain(const struct conf *conf);

#endif
