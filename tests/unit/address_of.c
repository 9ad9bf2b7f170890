#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "address_of.h"

struct netaddr
address_of(const char *text)
{
	struct sockaddr_storage ss;
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	char plain[INET6_ADDRSTRLEN];
	struct netaddr a;

	memset(&ss, 0, sizeof(ss));
	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(text, "%"), text);
	if (strchr(plain, ':') == NULL) {
		in->sin_family = AF_INET;
		assert_int_equal(inet_pton(AF_INET, plain, &in->sin_addr), 1);
	} else {
		in6->sin6_family = AF_INET6;
		in6->sin6_scope_id = strchr(text, '%') != NULL;
		assert_int_equal(inet_pton(AF_INET6, plain, &in6->sin6_addr), 1);
	}
	netaddr_from(&a, &ss);
	return a;
}
