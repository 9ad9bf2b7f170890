/*
 * Refusing connections, before any process or key exchange is spent on them.  In a flood each refusal
 * costs one send(2), and of each second only the first few are logged.  Called by master.c.
 */
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/drops.h"

#define SECOND_MS 1000

/* sshd's words.  Clients show text that comes before the version string. */
static const struct {
	const char *text; /* for the client */
	const char *name; /* for the log */
} drop_words[STARTUP_VERDICTS] = {
	[STARTUP_PENALISED] = { "Not allowed at this time\r\n", "PerSourcePenalties" },
	[STARTUP_MAX] = { "Exceeded MaxStartups\r\n", "MaxStartups" },
	[STARTUP_NO_HEADER] = { "A PROXY protocol header is expected here\r\n", "PROXY header" },
	[STARTUP_PER_SOURCE] = { "Exceeded PerSourceMaxStartups\r\n", "PerSourceMaxStartups" },
	/* in no words of SSH */
	[STARTUP_SILENT] = { "", "silent until DetectTimeout" },
	[STARTUP_NOT_LISTED] = { "", "no SSH, and no [forward] section for it" },
	[STARTUP_CONNECT] = { "", "HTTP CONNECT" },
	[STARTUP_NOT_FORWARDED] = { "", "not forwarded" },
};

void
drops_log(const struct connection *c, enum log_level level, const char *why)
{
	char client[NETADDR_TEXT_SIZE];
	struct log_fields f;

	log_fields_begin(&f, "dropped");
	log_field_text(&f, "client", netaddr_text(&c->address, client));
	log_field_number(&f, "client_port", c->client_port);
	log_field_text(&f, "reason", why);
	log_event(level, &f, "drop connection from %s port %u: %s", client, c->client_port, why);
}

void
drops_refuse(struct drops *d, const struct connection *c, enum startup_verdict verdict,
    const char *why, int64_t now)
{
	const char *text = drop_words[verdict].text;

	/* What it has sent is dropped unread: to close a socket with bytes in it can destroy the answer. */
	if (c->detect)
		(void)!recv(c->fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
	if (text[0] != '\0')
		(void)!send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	drops_flush(d, now);
	if (d->since == 0)
		d->since = now;
	if (d->lines++ >= DROPS_LINES) {
		d->counted[verdict]++;
		return;
	}
	drops_log(c, LOG_LVL_INFO, why);
}

static void
drops_log_more(unsigned int n, const char *name)
{
	struct log_fields f;

	log_fields_begin(&f, "dropped");
	log_field_number(&f, "count", n);
	log_field_text(&f, "reason", name);
	log_event(LOG_LVL_INFO, &f, "drop connection: %u more within a second: %s", n, name);
}

void
drops_flush(struct drops *d, int64_t now)
{
	size_t i;

	if (d->since == 0 || now < d->since + SECOND_MS)
		return;
	for (i = 0; i < STARTUP_VERDICTS; i++)
		if (d->counted[i] > 0)
			drops_log_more(d->counted[i], drop_words[i].name);
	*d = (struct drops){ 0 };
}

int64_t
drops_next(const struct drops *d)
{
	return d->since == 0 ? CLOCK_NEVER : d->since + SECOND_MS;
}
