/* The first line on the socket of sallyport-pam: whose second factor is wanted. */
#ifndef PAM_ORDER_H
#define PAM_ORDER_H

struct order {
	char *service; /* "sallyport", or "sallyport-" and a to z, 0 to 9, "-" */
	char *address; /* of the client; "-": not known */
	char *login;   /* 1 to 255 bytes without control characters and "/", and no "-" at first */
};

/*
 * Parse "sallyport-pam 1 SERVICE ADDRESS LOGIN", in which a login may have blanks.  0, and *o has
 * parts of the line, which is changed; or -1.  No other service: PAM's rules for other programs may
 * ask a process of root for nothing.
 */
int order_parse(char *line, struct order *o);

#endif
