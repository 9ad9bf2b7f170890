/*
 * What a session says for the log.  It may have been taken over: its number stands in front of its words,
 * so that no filter takes them for those of the keeper, which begin as sshd's do, and there are not
 * many of them.
 */
#include "base/clock.h"
#include "base/log.h"
#include "keeper/ksession.h"

/* More lines beyond the bucket than a session of ours ever wants: it says at most 20 refusals of a policy
 * and 2 others, and with LogLevel DEBUG a line for each state and leg. */
#define KSESSION_LOG_LOST_MAX 1000

void
ksession_log(struct ksession *s, struct wire *body)
{
	unsigned int level = wire_u8(body);
	char text[IPC_LOG_MAX + 1];

	wire_text(body, text, sizeof(text));
	if (wire_end(body) != 0 || level > LOG_LVL_DEBUG) {
		log_error("session %04jx: ended for an unreadable line for the log",
		    (uintmax_t)s->id);
		ksession_end(s);
		return;
	}
	if (log_wants(level) && bucket_take(&s->log_lines, clock_ms())) {
		log_line(level, "session %04jx: %s", (uintmax_t)s->id, text);
		return;
	}
	/* one that is not wanted is no less work */
	if (++s->log_lost < KSESSION_LOG_LOST_MAX)
		return;
	log_error("session %04jx: ended for a flood of lines for the log", (uintmax_t)s->id);
	ksession_end(s);
}

void
ksession_log_lost(const struct ksession *s)
{
	if (s->log_lost > 0)
		log_warn(
		    "session %04jx: %u of its lines are not in the log: they were too many at once",
		    (uintmax_t)s->id, s->log_lost);
}
