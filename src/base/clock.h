/*
 * Time.  Deadlines are in milliseconds of the monotonic clock, so that a step
 * of the wall clock moves none of them.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

int64_t clock_ms(void);
int64_t clock_us(void);

/* Milliseconds from now until deadline for poll(2): 0 if it has passed, -1 for
 * CLOCK_NEVER. */
int clock_until(int64_t deadline, int64_t now);

#endif
