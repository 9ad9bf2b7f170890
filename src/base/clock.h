/*
 * Time since an arbitrary point, by the monotonic clock: setting the wall clock moves no deadline.
 * Deadlines are in milliseconds.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

int64_t clock_ms(void);
int64_t clock_us(void);

/* The timeout for poll(2) that ends at deadline: 0 if it has passed, -1 for CLOCK_NEVER. */
int clock_until(int64_t deadline, int64_t now);

#endif
