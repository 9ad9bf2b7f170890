/*
 * Passthrough: the upstream verifies the passwords and answers of the client.
 */
#ifndef KEEPER_PASSTHROUGH_H
#define KEEPER_PASSTHROUGH_H

/* Written by passthrough.c. */
struct passthrough {
	enum {
		PASSTHROUGH_NONE,
		PASSTHROUGH_PROBE,  /* "none": what does it offer? */
		PASSTHROUGH_KEY,    /* the mapped key */
		PASSTHROUGH_CLIENT, /* a password or an answer of the client's */
	} request;		    /* the last that the upstream was sent */
	int methods_known;	    /* what it offers */
	int key_tried;		    /* the mapped key */
	int success;		    /* the upstream has let the gateway in */
};

extern const struct upstream_method passthrough_method;

#endif
