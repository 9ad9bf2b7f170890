/* What the gateway's user orders of sallyport-pam, in one line.  Pure, for a fuzz target. */
#include "order.h"

#include <string.h>

#define ORDER_SERVICE "sallyport"

static int
order_has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return 1;
	return 0;
}

static int
order_service_ok(const char *service)
{
	size_t n = strlen(ORDER_SERVICE), len = strlen(service);

	return strncmp(service, ORDER_SERVICE, n) == 0 &&
	    (service[n] == '\0' || service[n] == '-') && len <= 64 &&
	    strspn(service, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

int
order_parse(char *line, struct order *o)
{
	const char *program = strsep(&line, " "), *version = strsep(&line, " ");

	if (strcmp(program, "sallyport-pam") != 0 || version == NULL || strcmp(version, "1") != 0)
		return -1;
	o->service = strsep(&line, " ");
	o->address = strsep(&line, " ");
	o->login = line;
	if (o->login == NULL || !order_service_ok(o->service))
		return -1;
	if (*o->address == '\0' || strlen(o->address) > 100 || order_has_control(o->address))
		return -1;
	if (*o->login == '\0' || *o->login == '-' || strlen(o->login) > 255 ||
	    strchr(o->login, '/') != NULL || order_has_control(o->login))
		return -1;
	return 0;
}
