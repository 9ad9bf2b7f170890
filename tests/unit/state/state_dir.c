/*
 * The state directory of the tests of state/.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "state_dir.h"
#include "tmp_dir.h"

int
state_dir_setup(void **state)
{
	return sodium_init() == -1 ? -1 : tmp_dir_setup(state);
}

int
state_dir_begin(void **state)
{
	(void)state;
	return system("rm -rf state && mkdir -m 700 state");
}

struct state *
open_state(void)
{
	struct reason why;
	struct state *st;

	if (state_open("state", 1, &st, &why) != 0)
		fail_msg("%s", why.text);
	return st;
}

int
set_text(void *text, struct buf *record)
{
	buf_reset(record);
	buf_put(record, text, strlen(text));
	return 0;
}
