/*
 * Reasons of failures.  Called by whatever can fail in more ways than there are error codes.
 */
#include <stdio.h>
#include <string.h>

#include "base/reason.h"

void
reason_vset(struct reason *why, const char *fmt, va_list ap)
{
	(void)vsnprintf(why->text, sizeof(why->text), fmt, ap);
}

void
reason_set(struct reason *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reason_vset(why, fmt, ap);
	va_end(ap);
}

void
reason_add(struct reason *why, const char *fmt, ...)
{
	size_t len = strlen(why->text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why->text + len, sizeof(why->text) - len, fmt, ap);
	va_end(ap);
}
