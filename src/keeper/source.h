/*
 * A descriptor that the keeper's loop waits on, as epoll(7) gives it back.
 */
#ifndef KEEPER_SOURCE_H
#define KEEPER_SOURCE_H

struct ksession;
struct job_place;
struct ktls;

struct source {
	enum {
		SOURCE_MASTER,
		SOURCE_SESSION,
		SOURCE_ERRAND,
		SOURCE_TLS,
	} kind;
	struct ksession *session; /* SOURCE_SESSION */
	struct job_place *place;  /* SOURCE_ERRAND */
	struct ktls *tls;	  /* SOURCE_TLS */
};

#endif
