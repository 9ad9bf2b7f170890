/*
 * The text of a reason (reason.h), for all that can fail with more than an error code.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/reason.h"

void
reason_set(struct reason *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
}
