#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "master/startups.h"

#define BUCKETS 1024

struct startup {
	struct startup *next;
	pid_t pid;
	uint64_t id;
	int logged_in;
	char address[STARTUP_ADDRESS_SIZE];
};

struct startups {
	const struct conf_gateway *gateway;
	struct startup *by_pid[BUCKETS];
	unsigned int starting; /* not logged in yet */
	unsigned int all;
};

struct startups *
startups_new(const struct conf_gateway *gateway)
{
	struct startups *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->gateway = gateway;
	return s;
}

void
startups_set_limits(struct startups *s, const struct conf_gateway *gateway)
{
	s->gateway = gateway;
}

void
startups_free(struct startups **sp)
{
	struct startup *e, *next;
	size_t i;

	if (*sp == NULL)
		return;
	for (i = 0; i < BUCKETS; i++)
		for (e = (*sp)->by_pid[i]; e != NULL; e = next) {
			next = e->next;
			free(e);
		}
	free(*sp);
	*sp = NULL;
}

static unsigned int
starting_from(const struct startups *s, const char *address)
{
	const struct startup *e;
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < BUCKETS; i++)
		for (e = s->by_pid[i]; e != NULL; e = e->next)
			n += !e->logged_in && strcmp(e->address, address) == 0;
	return n;
}

/* Random early drop: from begin on with a chance of rate percent, rising to all at full. */
static int
drop(const struct startups *s)
{
	unsigned int begin = (unsigned int)s->gateway->max_startups[0];
	unsigned int rate = (unsigned int)s->gateway->max_startups[1];
	unsigned int full = (unsigned int)s->gateway->max_startups[2];
	unsigned int chance;

	if (s->starting < begin)
		return 0;
	if (s->starting >= full || rate == 100)
		return 1;
	chance = rate + (100 - rate) * (s->starting - begin) / (full - begin);
	return (unsigned int)(random() % 100) < chance;
}

int
startups_admit(struct startups *s, const char *address, const char **why)
{
	unsigned int per_source = (unsigned int)s->gateway->per_source_max_startups;

	if (drop(s)) {
		*why = "MaxStartups";
		return 0;
	}
	if (per_source > 0 && s->starting >= per_source &&
	    starting_from(s, address) >= per_source) {
		*why = "PerSourceMaxStartups";
		return 0;
	}
	return 1;
}

int
startups_add(struct startups *s, pid_t pid, uint64_t id, const char *address)
{
	struct startup *e = calloc(1, sizeof(*e)), **bucket;

	if (e == NULL)
		return ERR_NOMEM;
	e->pid = pid;
	e->id = id;
	strncpy(e->address, address, sizeof(e->address) - 1);
	bucket = &s->by_pid[(unsigned int)pid % BUCKETS];
	e->next = *bucket;
	*bucket = e;
	s->starting++;
	s->all++;
	return 0;
}

void
startups_logged_in(struct startups *s, uint64_t id)
{
	struct startup *e;
	size_t i;

	for (i = 0; i < BUCKETS; i++)
		for (e = s->by_pid[i]; e != NULL; e = e->next)
			if (e->id == id && !e->logged_in) {
				e->logged_in = 1;
				s->starting--;
				return;
			}
}

int
startups_remove(struct startups *s, pid_t pid, uint64_t *id)
{
	struct startup **ep, *e;

	for (ep = &s->by_pid[(unsigned int)pid % BUCKETS]; (e = *ep) != NULL; ep = &e->next) {
		if (e->pid != pid)
			continue;
		*ep = e->next;
		*id = e->id;
		if (!e->logged_in)
			s->starting--;
		s->all--;
		free(e);
		return 1;
	}
	return 0;
}

void
startups_signal(const struct startups *s, int sig)
{
	const struct startup *e;
	size_t i;

	for (i = 0; i < BUCKETS; i++)
		for (e = s->by_pid[i]; e != NULL; e = e->next)
			(void)kill(e->pid, sig);
}

unsigned int
startups_sessions(const struct startups *s)
{
	return s->all;
}
