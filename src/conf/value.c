/*
 * Parsing single values: times, ports, names of keys.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/conf.h"

int
conf_time(const char *value, int *ms)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	int64_t total = 0, n, unit;
	const char *p = value;
	size_t i;

	*ms = 0;
	if (strcasecmp(value, "none") == 0)
		return 0;
	if (*p == '\0')
		return ERR_FORMAT;
	while (*p != '\0') {
		if (*p < '0' || *p > '9')
			return ERR_FORMAT;
		for (n = 0; *p >= '0' && *p <= '9'; p++) {
			n = n * 10 + (*p - '0');
			if (n > INT_MAX)
				return ERR_FORMAT;
		}
		unit = *p == '\0' ? 1 : 0;
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (*p != '\0' && (*p | 0x20) == units[i].unit)
				unit = units[i].seconds;
		}
		if (unit == 0)
			return ERR_FORMAT;
		if (*p != '\0')
			p++;
		total += n * unit;
		if (total > INT_MAX / 1000)
			return ERR_FORMAT;
	}
	*ms = (int)(total * 1000);
	return 0;
}

int
conf_port(const char *value, uint16_t *port)
{
	unsigned int n = 0;
	const char *p;

	*port = 0;
	for (p = value; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (unsigned int)(*p - '0');
		if (n > UINT16_MAX)
			return ERR_FORMAT;
	}
	if (p == value || *p != '\0' || n == 0)
		return ERR_FORMAT;
	*port = (uint16_t)n;
	return 0;
}
