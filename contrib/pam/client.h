/* The gateway's end of the socket: plugins/exec/factor-pam. */
#ifndef PAM_CLIENT_H
#define PAM_CLIENT_H

/*
 * Ask at the socket whether this login passes the service: questions go to standard output, answers
 * come from standard input.  The exit status: 0 passed, 1 wrong, 2 neither, with the reason on
 * standard error.
 */
int client_run(const char *socket_path, const char *service, const char *login);

#endif
