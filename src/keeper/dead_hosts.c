/*
 * The table of hosts that do not answer; upstream_dial.c writes and asks it.
 */
#include <string.h>

#include "keeper/dead_hosts.h"

static size_t
dead_hosts_find(const struct dead_hosts *d, const char *host, uint16_t port)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		if (d->v[i].port == port && strcmp(d->v[i].host, host) == 0)
			break;
	return i;
}

void
dead_hosts_add(struct dead_hosts *d, const char *host, uint16_t port, int64_t now)
{
	size_t i = dead_hosts_find(d, host, port), j;

	if (strlen(host) >= DEAD_HOST_SIZE)
		return;
	if (i == d->n && d->n < DEAD_HOSTS_MAX)
		d->n++;
	if (i == DEAD_HOSTS_MAX) {
		for (i = 0, j = 1; j < d->n; j++)
			if (d->v[j].until < d->v[i].until)
				i = j;
	}
	memcpy(d->v[i].host, host, strlen(host) + 1);
	d->v[i].port = port;
	d->v[i].until = now + DEAD_HOSTS_MS;
}

void
dead_hosts_remove(struct dead_hosts *d, const char *host, uint16_t port)
{
	size_t i = dead_hosts_find(d, host, port);

	if (i < d->n)
		d->v[i] = d->v[--d->n];
}

int
dead_hosts_has(const struct dead_hosts *d, const char *host, uint16_t port, int64_t now)
{
	size_t i = dead_hosts_find(d, host, port);

	return i < d->n && now < d->v[i].until;
}
