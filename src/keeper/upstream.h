/*
 * The login upstream: dial, host key, login.  A route has one of three ways to log in: with
 * what is stored (its mapped key or password), with what the client says (Passthrough), or
 * with a key of the client's agent (Key = agent).
 */
#ifndef KEEPER_UPSTREAM_H
#define KEEPER_UPSTREAM_H

#include "access/route_files.h"
#include "auth/auth_client.h"
#include "auth/auth_methods.h"
#include "auth/auth_stored.h"
#include "base/netaddr.h"
#include "base/reason.h"
#include "ipc/messages.h"
#include "keeper/issue.h"
#include "keeper/passthrough.h"
#include "lookup/connect_via.h"

struct agent_login;
struct host_key_known;
struct job_result;
struct ksession;

/* A way to log in upstream. */
struct upstream_method {
	int mapped_key;	      /* the route's Key may have to sign */
	int several;	      /* a request that fails is not the end (auth_client.h) */
	int waits_for_client; /* a user is asked during the login, who may take their time */
	int verifies_client;  /* the upstream verifies the client's passwords and answers */

	/* If verifies_client: the methods that the client may use next; its request, which
	 * auth_server has put aside, is to be verified; and it has passed all that
	 * AuthenticationMethods asks for. */
	void (*client_methods)(const struct ksession *s, char out[AUTH_METHODS_NEXT_SIZE]);
	void (*client_request)(struct ksession *s);
	void (*client_done)(struct ksession *s);

	/* The host key is accepted, and this is the upstream's signature of the session
	 * identifier.  0, or an ERR_* that ends the session.  May be NULL. */
	int (*host_key)(struct ksession *s, struct bytes signature);
	/* The upstream waits for the first request of s->up.auth. */
	void (*begin)(struct ksession *s);

	/* What auth_client_input() has come to.  NULL: with this method it never does; of failed:
	 * the client is refused with auth_client_reason(). */
	void (*refused)(struct ksession *s);
	void (*asked)(struct ksession *s);
	void (*wanted)(struct ksession *s);
	void (*success)(struct ksession *s);
	void (*failed)(struct ksession *s);
	/* The upstream has ended the connection during the login. */
	void (*ended)(struct ksession *s, const char *reason);
};

extern const struct upstream_method upstream_stored_method;

/* Written by the files upstream*.c, and by those of the methods. */
struct login_upstream {
	char host[256]; /* of route->hosts, the one that answered */
	uint32_t port;	/* there: of the route, or of an SRV record */
	/* the address that was tried first, without a lookup, or "" */
	char cached[NETADDR_TEXT_SIZE];
	char user[256];
	/* both ends of the connection there, by the kernel; from[0] is '\0' before there is one */
	char address[NETADDR_TEXT_SIZE], from[NETADDR_TEXT_SIZE];
	uint16_t from_port;
	int64_t request_at; /* of clock_us(): of the last request, or when it was to be dialled */

	/* its host key, by upstream_host_key.c */
	struct host_key_known *known; /* by known_hosts; from the dial to the judgement */
	struct buf host_key_message;  /* body of HOST_KEY, until it is decided upon */
	int host_key_scanned;	      /* accept-new: an errand has looked at it, too */
	int host_key_known;	      /* it is the upstream's, by known_hosts or the route */
	int host_key_changed;	      /* it is another one, and StrictHostKeyChecking is no */
	struct buf host_key;	      /* the key, or certificate, once it is accepted */
	uint8_t session_id[64];	      /* the exchange hash that it has signed */
	size_t session_id_len;

	/* its login, by upstream.c */
	struct auth_client *auth;
	struct route_key key; /* the mapped key, while the first request is made */
	struct issue issue;   /* or the certificate in its place */
	int hostbound;	      /* the session says: it takes publickey-hostbound-v00@openssh.com */
	struct buf banner;    /* for when the client's session goes on or ends */
	int banner_cut_logged;

	/* by the file of the method */
	struct auth_stored stored;
	int stored_missing; /* the stored password cannot be read */
	struct passthrough passthrough;
	struct agent_login *agent;
};

void upstream_init(struct login_upstream *up);
void upstream_free(struct login_upstream *up);

/* How the login of s->route is done; NULL for an unknown login. */
const struct upstream_method *upstream_method(const struct ksession *s);

/* For the user: the upstream does not let the gateway in, may not be the host it should be, or
 * does not answer. */
extern const char *const upstream_text_login;
extern const char *const upstream_text_host_key;
extern const char *const upstream_text_unreachable;
/* The gateway itself cannot do it now. */
extern const char *const upstream_text_gateway;

/* Dial the upstream. */
void upstream_dial(struct ksession *s);
/* The same in phase DIAL, without a hop. */
void upstream_dial_now(struct ksession *s);
/* CARRIED, which body is: a hop has connected it.  first is that of the hop that was dialled; a copy of fd
 * goes to the session. */
void upstream_carried(struct ksession *s, const struct login_upstream *first, struct wire *body,
    int fd);
/* The hosts of the route, at most IPC_HOSTS_MAX: those that did not answer lately after the others. */
void upstream_order_hosts(const struct ksession *s, struct strlist *ordered);
/* Note which hosts of the route did not answer, to the end of the body.  Returns 0, or ERR_FORMAT if it
 * names others. */
int upstream_take_dead_hosts(struct ksession *s, struct wire *body) MUST_CHECK;
/* Do two sessions have the same first choice of an upstream? */
int upstream_same(const struct ksession *a, const struct ksession *b);
/* One end of a connection, by getpeername(2) or getsockname(2): its address, and its port.  The kernel's
 * word: an errand is not asked. */
uint16_t upstream_end_of(int (*end)(int, struct sockaddr *, socklen_t *), int fd,
    char out[NETADDR_TEXT_SIZE]);

/* The upstream is reached by something else than an errand that dials: fd, which the caller closes. */
void upstream_connected(struct ksession *s, const char *host, int fd);

/* For jobs.c: what an errand is told to dial, or to look at a host key, and the result. */
void upstream_put_dial(struct ksession *s, struct buf *order);
void upstream_dial_done(struct ksession *s, const struct job_result *result);
void upstream_put_look(struct ksession *s, struct buf *order);
void upstream_look_done(struct ksession *s, const struct job_result *result);

/* The way to the upstream, for a DIAL or LOOK order; DIAL adds the client.  The message m points into the
 * other fields and into the route. */
struct upstream_approach {
	struct ipc_approach m;
	struct connect_via via;
	struct secret *password; /* of ConnectViaPassword, open */
	struct buf ca;		 /* the file of ConnectViaCA */
};

/* 0, or an ERR_* with the reason logged: a may be put into an order in any case, which is not to be sent
 * then.  upstream_approach_close() it. */
int upstream_approach_open(struct ksession *s, struct upstream_approach *a) MUST_CHECK;
void upstream_approach_close(struct upstream_approach *a);

/* Refuse the client: there is no errand, for err. */
void upstream_no_errand(struct ksession *s, int err);

/* The algorithms that s->up.host is asked for, by the route and s->up.known; "": the defaults.
 * They point into the route and into host_keys, which the caller frees. */
void upstream_algorithms(const struct ksession *s, struct buf *host_keys, struct ipc_algorithms *a);

/* HOST_KEY: the session asks whether its upstream has shown the right key. */
void upstream_host_key(struct ksession *s, struct wire *body);

/* UPSTREAM_READY, UPSTREAM_AUTH, UPSTREAM_FAILED: the login there. */
void upstream_ready(struct ksession *s, struct wire *body);
void upstream_auth(struct ksession *s, struct wire *body);
void upstream_failed(struct ksession *s, struct wire *body);

/* Do what auth_client says; what it appended to out is sent. */
void upstream_verdict(struct ksession *s, enum auth_client_verdict v, struct buf *out);

/* The upstream has refused the mapped key: log why, if it is for what the route says. */
void upstream_log_key_refused(const struct ksession *s);

/* Refuse the client: the upstream has not let the gateway in, for this reason. */
void upstream_refuse_login(struct ksession *s, const char *text, const char *reason);
/* Refuse the client: the upstream has ended the connection before the login, for this reason.
 * The log has what and the reason; or what to do, where the upstream refuses the gateway for a
 * time. */
void upstream_refuse_unreachable(struct ksession *s, const char *what, const char *reason);
/* The same, with the upstream's host and port as what. */
void upstream_refuse_ended(struct ksession *s, const char *reason);

/* Append the banner, as a string, if there is one that the client has not seen. */
void upstream_put_banner(const struct ksession *s, struct buf *b);

/* The client and the upstream have both let each other in. */
void upstream_finish(struct ksession *s);

#endif
