/*
 * System calls that fail, or at which the process ends: the n-th of those that write to a state
 * directory.
 */
#ifndef TESTS_STATE_FAULTS_H
#define TESTS_STATE_FAULTS_H

enum faults {
	FAULTS_FAIL,	   /* the call fails with errno ENOSPC, and does nothing */
	FAULTS_DIE,	   /* the process ends before it */
	FAULTS_DIE_AFTER,  /* the process ends after it */
	FAULTS_SHORT_WRITE /* each write(2) writes only one byte */
};

/* The exit status of a process that ended so. */
#define FAULTS_DEAD 42

/* From now on; number counts from 1, 0: no call. */
void faults_set(enum faults what, unsigned int number);

/* Calls since faults_set(). */
unsigned int faults_seen(void);

/* The name of the last one that failed, or "". */
const char *faults_name(void);

#endif
