/*
 * accept_loop PORT: a server on 127.0.0.1 that does the minimum for each connection: accept it, send
 * a line of text, close it.  The tests compare the cost of a connection that the gateway refuses.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	static const char text[] = "Not allowed at this time\r\n";
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0)),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;

	if (s == -1 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1 ||
	    bind(s, (struct sockaddr *)&sin, sizeof(sin)) == -1 || listen(s, SOMAXCONN) == -1) {
		perror("accept_loop");
		return 1;
	}
	for (;;) {
		fd = accept(s, NULL, NULL);
		if (fd == -1)
			continue;
		(void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
		close(fd);
	}
}
