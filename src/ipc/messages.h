/*
 * Bodies of the messages that have more than three fields, each as a struct with a pair of
 * functions: put appends the body to a message begun with ipc_begin(), get reads it to its
 * end.
 *
 * get returns 0, or ERR_FORMAT or ERR_NOMEM with nothing to free.  struct bytes point into
 * the message; texts point into the struct itself, which is not to be copied.
 */
#ifndef IPC_MESSAGES_H
#define IPC_MESSAGES_H

#include "base/strlist.h"
#include "ipc/ipc.h"

/* Where get keeps the texts of a message; put does not use it. */
struct ipc_texts {
	char space[6 * 1024];
	size_t used;
};

/* What a host is asked for in a key exchange: lists as in RFC 4253 section 7.1; "": the default. */
struct ipc_algorithms {
	const char *kex, *host_keys, *ciphers, *macs;
};

struct ipc_connection {
	uint64_t session;
	const char *client; /* numeric address */
	uint32_t client_port;
	const char *local;
	uint32_t local_port;
	const char *host; /* the name that it gives outside of SSH, or "" */
	uint64_t tls;	  /* number of the TLS connection that it is inside of; 0: none */
	struct ipc_texts texts;
};

void ipc_connection_put(struct buf *b, const struct ipc_connection *m);
int ipc_connection_get(struct wire *body, struct ipc_connection *m) MUST_CHECK;

/* A client's address and the address that it connected to, as a PROXY header has them. */
struct ipc_header {
	uint64_t connection;
	struct bytes client, local; /* 4 or 16 bytes each; none: the connection's own hold */
	uint32_t client_port, local_port;
};

void ipc_header_put(struct buf *b, const struct ipc_header *m);
int ipc_header_get(struct wire *body, struct ipc_header *m) MUST_CHECK;

/* KIND.  Of a text that its protocol does not have: "". */
struct ipc_opening {
	uint64_t connection;
	enum ipc_kind kind;
	const char *host;	  /* SNI, Host: or the target of CONNECT, in lower case */
	uint32_t port;		  /* of CONNECT; 0 */
	const char *alpn;	  /* names separated by commas */
	uint32_t pattern;	  /* index of the longest FirstBytes that fits, or IPC_NO_PATTERN */
	struct bytes credentials; /* "user:password" of CONNECT, which the receiver wipes */
	struct ipc_texts texts;
};

void ipc_opening_put(struct buf *b, const struct ipc_opening *m);
int ipc_opening_get(struct wire *body, struct ipc_opening *m) MUST_CHECK;

/* FORWARD */
struct ipc_forward {
	uint64_t connection;
	const char *name;   /* of the [forward] section */
	const char *client; /* numeric */
	uint32_t client_port;
	const char *host; /* as the client has named it, or "" */
	uint32_t idle_ms; /* 0: no limit */
	struct ipc_texts texts;
};

void ipc_forward_put(struct buf *b, const struct ipc_forward *m);
int ipc_forward_get(struct wire *body, struct ipc_forward *m) MUST_CHECK;

/* The way to a host, and what it is to be told before SSH begins; in DIAL and LOOK. */
struct ipc_approach {
	const char
	    *via; /* the proxy that connects to it: "socks5", "http", "https", "tls"; "": none */
	const char *via_host;
	uint32_t via_port;
	const char *via_user; /* "": the proxy wants no login */
	struct bytes via_password;
	struct bytes via_ca;	 /* PEM: who may certify it; empty: the authorities of this host */
	unsigned int send_proxy; /* version of the PROXY header (formats/proxy_header.h), 0: none */
	const char *client; /* numeric, for the header; "": nobody, the gateway itself connects */
	uint32_t client_port;
	const char *local; /* where that client has connected to */
	uint32_t local_port;
	int srv; /* ask for SRV records, which say other hosts and ports (errand/srv.h) */
};

/* No proxy, and no header. */
extern const struct ipc_approach ipc_approach_direct;

struct ipc_dial {
	uint64_t session;
	uint32_t timeout_ms;
	uint32_t port;
	/* 0: each host is a target of a [forward] section, with a port of its own */ /* 0: each host has its own, HOST:PORT, [ADDRESS]:PORT or unix:PATH */
	struct strlist hosts;	     /* in the order in which they are tried */
	struct strlist destinations; /* AllowDestinations; empty: any address will do */
	const char
	    *known; /* numeric: tried before the first host is looked up; "" or NULL: nothing */
	struct ipc_approach approach;
	struct ipc_texts texts;
};

void ipc_dial_put(struct buf *b, const struct ipc_dial *m);
int ipc_dial_get(struct wire *body, struct ipc_dial *m) MUST_CHECK; /* then ipc_dial_free() */
void ipc_dial_free(struct ipc_dial *m);

struct ipc_run {
	uint64_t session;
	uint32_t timeout_ms;
	struct strlist argv, env; /* after get: ipc_run_free() */
	struct strlist closed;	  /* absolute paths out of its reach */
	struct strlist fixed;	  /* paths that it may read and not change */
};

void ipc_run_put(struct buf *b, const struct ipc_run *m);
int ipc_run_get(struct wire *body, struct ipc_run *m) MUST_CHECK;
void ipc_run_free(struct ipc_run *m);

struct ipc_ran {
	const char *failure; /* "": it has ended by itself */
	uint32_t status;     /* its exit status */
	struct bytes out;    /* its standard output */
	const char *said;    /* the beginning of its standard error */
	struct ipc_texts texts;
};

void ipc_ran_put(struct buf *b, const struct ipc_ran *m);
int ipc_ran_get(struct wire *body, struct ipc_ran *m) MUST_CHECK;

/* FACTOR_ASK: what a program of Factor has the client asked.  The texts are the program's, of any bytes. */
struct ipc_factor_ask {
	struct bytes info; /* lines with a newline between two */
	uint32_t n;
	struct ipc_question {
		int echo;
		struct bytes text;
	} questions[IPC_QUESTIONS_MAX];
};

void ipc_factor_ask_put(struct buf *b, const struct ipc_factor_ask *m);
int ipc_factor_ask_get(struct wire *body, struct ipc_factor_ask *m) MUST_CHECK;

struct ipc_look {
	uint32_t connect_ms; /* how long connecting may take, */
	uint32_t total_ms;   /* and all of it */
	uint32_t port;
	int trial; /* go on as a login would, up to where it is known what the host takes */
	const char *host;
	struct ipc_algorithms algorithms;
	struct ipc_approach approach;
	struct strlist destinations; /* as in struct ipc_dial */
	struct ipc_texts texts;
};

void ipc_look_put(struct buf *b, const struct ipc_look *m);
int ipc_look_get(struct wire *body, struct ipc_look *m) MUST_CHECK; /* then ipc_look_free() */
void ipc_look_free(struct ipc_look *m);

/* CA_SIGN */
struct ipc_ca_sign {
	uint32_t timeout_ms; /* of the agent, in all */
	const char *path;    /* of the agent's socket */
	struct bytes ca;     /* public blob of the key that signs */
	const char *alg;
	struct bytes data; /* what is signed: a certificate up to its signature */
	struct ipc_texts texts;
};

void ipc_ca_sign_put(struct buf *b, const struct ipc_ca_sign *m);
int ipc_ca_sign_get(struct wire *body, struct ipc_ca_sign *m) MUST_CHECK;

/* HOST_KEY; and in LOOKED: a host key, and the exchange hash that it has signed. */
struct ipc_host_key {
	const char *alg;
	struct bytes hash, blob, sig;
	struct ipc_texts texts;
};

void ipc_host_key_put(struct buf *b, const struct ipc_host_key *m);
int ipc_host_key_get(struct wire *body, struct ipc_host_key *m) MUST_CHECK;

struct ipc_looked {
	const char *address;	 /* numeric */
	const char *version;	 /* "SSH-2.0-..."; "": the host has sent none */
	const char *reason;	 /* why it went no further; "": all of what was ordered is done */
	int hostbound;		 /* publickey-hostbound-v00@openssh.com, found out in a trial */
	struct ipc_host_key key; /* an empty blob: the host has shown none */
	struct ipc_texts texts;
};

void ipc_looked_put(struct buf *b, const struct ipc_looked *m);
int ipc_looked_get(struct wire *body, struct ipc_looked *m) MUST_CHECK;

/* A port that the master is to listen on for a tunnel. */
struct ipc_bind {
	uint64_t tunnel;
	const char *host; /* numeric; "": all addresses of the host */
	uint32_t first, last;
	uint32_t wanted; /* the one to try first */
	int exact;	 /* and no other */
	struct ipc_texts texts;
};

void ipc_bind_put(struct buf *b, const struct ipc_bind *m);
int ipc_bind_get(struct wire *body, struct ipc_bind *m) MUST_CHECK;

/* TUNNEL_VISIT */
struct ipc_visit {
	const char *name; /* of the tunnel; "": it is the one that has the port */
	uint32_t port;
	int http;	    /* the visitor speaks HTTP, and is told if nobody holds the tunnel */
	const char *client; /* numeric address of the visitor */
	uint32_t client_port;
	struct ipc_texts texts;
};

void ipc_visit_put(struct buf *b, const struct ipc_visit *m);
int ipc_visit_get(struct wire *body, struct ipc_visit *m) MUST_CHECK;

/* TUNNEL_CONNECTION: a visitor of a tunnel. */
struct ipc_tunnelled {
	const char *address; /* that the tunnel's client has asked to listen on, and the port */
	uint32_t port;
	const char *client; /* numeric address of the visitor */
	uint32_t client_port;
	const char *name; /* of the tunnel, for the user */
	struct ipc_texts texts;
};

void ipc_tunnelled_put(struct buf *b, const struct ipc_tunnelled *m);
int ipc_tunnelled_get(struct wire *body, struct ipc_tunnelled *m) MUST_CHECK;

enum ipc_taken {
	IPC_TAKEN_NONE,
	IPC_TAKEN_CERTIFICATE,
	IPC_TAKEN_KEY
};

struct ipc_queried {
	enum ipc_taken taken;
	const char *methods;  /* what the host offers if it takes none */
	const char *sig_algs; /* server-sig-algs; "": it has sent none */
	const char *reason;   /* why there is no answer; "": there is one */
	struct ipc_texts texts;
};

void ipc_queried_put(struct buf *b, const struct ipc_queried *m);
int ipc_queried_get(struct wire *body, struct ipc_queried *m) MUST_CHECK;

struct ipc_upstream_fd {
	const char *title; /* for the title of the process */
	struct ipc_algorithms algorithms;
	uint32_t alive_interval_ms; /* ServerAliveInterval */
	uint32_t login_ms;	    /* ConnectTimeout, for the login upstream */
	int patient; /* that time is for the key exchange alone: the user is asked in the login, or an agent */
	struct ipc_texts texts;
};

void ipc_upstream_fd_put(struct buf *b, const struct ipc_upstream_fd *m);
int ipc_upstream_fd_get(struct wire *body, struct ipc_upstream_fd *m) MUST_CHECK;

struct ipc_hop {
	uint64_t session;   /* that it is a hop of */
	const char *title;  /* for the title of the process */
	uint32_t alive_max; /* keepalives that may stay unanswered */
	uint32_t rekey_ms;  /* RekeyLimit of its leg */
	uint64_t rekey_bytes;
	struct ipc_texts texts;
};

void ipc_hop_put(struct buf *b, const struct ipc_hop *m);
int ipc_hop_get(struct wire *body, struct ipc_hop *m) MUST_CHECK;

struct ipc_carry {
	uint32_t timeout_ms; /* ConnectTimeout, for all hosts together */
	uint32_t port;
	struct strlist hosts; /* in the order in which they are tried */
};

void ipc_carry_put(struct buf *b, const struct ipc_carry *m);
int ipc_carry_get(struct wire *body, struct ipc_carry *m) MUST_CHECK; /* then strlist_free() */

/* The gateway's own host keys, in the order of preference. */
struct ipc_host_keys {
	struct bytes v[IPC_HOST_KEYS_MAX]; /* certificates, then public keys */
	size_t n;
	size_t certificates; /* how many of them */
};

void ipc_host_keys_put(struct buf *b, const struct ipc_host_keys *m);
int ipc_host_keys_get(struct wire *body, struct ipc_host_keys *m) MUST_CHECK;

struct ipc_end {
	const char *reason;		 /* for the log */
	uint64_t from_client, to_client; /* bytes relayed */
	enum ipc_client_end how;
	uint32_t code;	  /* of the client's DISCONNECT */
	const char *text; /* what ended it, in sshd's words or the client's own */
	struct ipc_texts texts;
};

void ipc_end_put(struct buf *b, const struct ipc_end *m);
int ipc_end_get(struct wire *body, struct ipc_end *m) MUST_CHECK;

struct ipc_tls_connection {
	uint64_t connection;
	const char *section; /* of the configuration that the master has */
	const char *host;    /* SNI, or "" */
	const char *client;  /* numeric address */
	uint32_t client_port;
	const char *local;
	uint32_t local_port;
	struct ipc_texts texts;
};

void ipc_tls_connection_put(struct buf *b, const struct ipc_tls_connection *m);
int ipc_tls_connection_get(struct wire *body, struct ipc_tls_connection *m) MUST_CHECK;

/* The file that comes with it has three texts in PEM, one after the other. */
struct ipc_tls_hello {
	uint32_t chain;	     /* length of the certificate and its chain */
	uint32_t client_ca;  /* of the authorities of clients; 0: no certificate is asked for */
	uint32_t client_crl; /* of their revocation lists */
	int only_13;	     /* TLS 1.2 is refused */
	uint32_t timeout_ms; /* for the handshake */
	const char *alpn;    /* names separated by commas */
	struct ipc_texts texts;
};

void ipc_tls_hello_put(struct buf *b, const struct ipc_tls_hello *m);
int ipc_tls_hello_get(struct wire *body, struct ipc_tls_hello *m) MUST_CHECK;

/* Of a client without a certificate, all but the version is empty. */
struct ipc_tls_done {
	const char *version;	  /* "TLSv1.3" */
	struct bytes fingerprint; /* SHA-256 of the client's certificate: 32 bytes, or none */
	const char *serial;	  /* hexadecimal */
	const char *cn;		  /* the last CN of its subject */
	struct strlist units;	  /* the OUs of its subject */
	struct strlist names;	  /* subjectAltNames: "DNS:...", "email:...", "URI:...", "IP:..." */
	struct ipc_texts texts;
};

void ipc_tls_done_put(struct buf *b, const struct ipc_tls_done *m);
int ipc_tls_done_get(struct wire *body,
    struct ipc_tls_done *m) MUST_CHECK; /* then ipc_tls_done_free() */
void ipc_tls_done_free(struct ipc_tls_done *m);

#endif
