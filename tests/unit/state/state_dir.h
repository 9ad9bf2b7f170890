/*
 * A state directory of its own for each test of a program.
 */
#ifndef TESTS_STATE_DIR_H
#define TESTS_STATE_DIR_H

#include "state/state.h"

/* Of a group of tests, with tmp_dir_teardown(); and of each test. */
int state_dir_setup(void **state);
int state_dir_begin(void **state);

/* Open it; a failure fails the test. */
struct state *open_state(void);

/* For state_update(): these lines in place of all. */
int set_text(void *text, struct buf *record);

#endif
