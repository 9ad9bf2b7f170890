/*
 * An order to the running gateway, over its control socket, for a subcommand that gives one.
 */
#ifndef CLI_CONTROL_ASK_H
#define CLI_CONTROL_ASK_H

struct control_request {
	const char *conf_dir; /* of the gateway meant; NULL: the default place */
	const char *order;    /* one of master/control.c's control_orders */
	int json;	      /* print one JSON object, also if it fails */
	const char
	    *instead; /* what to do where ControlSocket is none, as "send SIGHUP to the master" */
};

/* Give the order, wait, print the answer.  The exit status: the gateway's; CLI_FAILED if it
 * was not reached, CLI_CONFIG if the configuration does not say where it is. */
int control_ask(const struct control_request *request);

#endif
