/*
 * keeper/: each script of tests/fuzz/corpus/keeper, as tests/fuzz/keeper_driver.h has it.  Runs in
 * the directory of the sources.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "ipc/ipc.h"
#include "keeper_driver.h"

#define CORPUS "tests/fuzz/corpus/keeper"

static int
setup(void **state)
{
	driver_start();
	log_set_level(LOG_LVL_ERROR);
	return 0;
}

static int
teardown(void **state)
{
	driver_stop();
	return 0;
}

/* The phases that one script reaches. */
static unsigned int
play_file(const char *name)
{
	char path[300], script[65536];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), CORPUS "/%s", name);
	f = fopen(path, "r");
	assert_non_null(f);
	len = fread(script, 1, sizeof(script), f);
	assert_int_equal(fclose(f), 0);
	return driver_play((const uint8_t *)script, len);
}

static void
test_every_script_keeps_what_is_promised(void **state)
{
	unsigned int reached = 0, n = 0;
	struct dirent *entry;
	DIR *dir;

	(void)state;
	dir = opendir(CORPUS);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.') {
			reached |= play_file(entry->d_name);
			n++;
		}
	closedir(dir);
	assert_true(n > 0);
	assert_int_equal(reached, IPC_PHASE_ANY);
}

/* What the names of the files say is what they do. */
static void
test_scripts_get_where_they_mean_to(void **state)
{
	static const struct {
		const char *name;
		unsigned int phase;
		int reached;
	} cases[] = {
		{ "key", IPC_PHASE_RELAY, 1 },
		{ "key-ecdsa", IPC_PHASE_RELAY, 1 },
		{ "key-unknown-host", IPC_PHASE_UPSTREAM_AUTH, 0 },
		{ "stranger", IPC_PHASE_DIAL, 0 },
		{ "password-hash", IPC_PHASE_RELAY, 1 },
		{ "two-methods", IPC_PHASE_RELAY, 1 },
		{ "two-methods-one-given", IPC_PHASE_DIAL, 0 },
		{ "code", IPC_PHASE_RELAY, 1 },
		{ "code-not-given", IPC_PHASE_DIAL, 0 },
		{ "code-wrong", IPC_PHASE_DIAL, 0 },
		{ "code-before-key", IPC_PHASE_DIAL, 0 },
		{ "factor", IPC_PHASE_RELAY, 1 },
		{ "factor-first", IPC_PHASE_RELAY, 1 },
		{ "factor-wrong", IPC_PHASE_DIAL, 0 },
		{ "factor-out-of-turn", IPC_PHASE_DIAL, 0 },
		{ "certificate", IPC_PHASE_RELAY, 1 },
		{ "certificate-forged", IPC_PHASE_DIAL, 0 },
		{ "stored-password", IPC_PHASE_RELAY, 1 },
		{ "passthrough", IPC_PHASE_RELAY, 1 },
		{ "passthrough-key", IPC_PHASE_RELAY, 1 },
		{ "passthrough-key-and-password", IPC_PHASE_RELAY, 1 },
		{ "agent", IPC_PHASE_RELAY, 1 },
		{ "ca-agent", IPC_PHASE_RELAY, 1 },
		{ "ca-agent-refuses", IPC_PHASE_RELAY, 0 },
		{ "ca-agent-dies", IPC_PHASE_RELAY, 0 },
		{ "ca-agent-stranger", IPC_PHASE_UPSTREAM_AUTH, 0 },
		{ "prove", IPC_PHASE_RELAY, 1 },
		{ "prove-early", IPC_PHASE_UPSTREAM_AUTH, 0 },
		{ "accept-new", IPC_PHASE_RELAY, 1 },
		{ "accept-new-together", IPC_PHASE_RELAY, 1 },
		{ "accept-new-another", IPC_PHASE_UPSTREAM_AUTH, 0 },
		{ "accept-new-fails", IPC_PHASE_UPSTREAM_AUTH, 0 },
		{ "any-host", IPC_PHASE_RELAY, 1 },
		{ "program", IPC_PHASE_RELAY, 1 },
		{ "tunnel", IPC_PHASE_RELAY, 1 },
		{ "tunnel-none", IPC_PHASE_RELAY, 1 },
		{ "tunnel-port", IPC_PHASE_RELAY, 1 },
		{ "tunnel-nobody", IPC_PHASE_UPSTREAM_KEX, 0 },
		{ "hop", IPC_PHASE_CARRY, 1 },
		{ "hop", IPC_PHASE_RELAY, 1 },
		{ "hop-key-refused", IPC_PHASE_CARRY, 0 },
		{ "hop-foreign-key", IPC_PHASE_UPSTREAM_AUTH, 0 },
		{ "hop-signs", IPC_PHASE_CARRY, 0 },
		{ "hop-logs-in", IPC_PHASE_CARRY, 0 },
		{ "hop-early", IPC_PHASE_UPSTREAM_AUTH, 0 },
		{ "hop-elsewhere", IPC_PHASE_RELAY, 0 },
		{ "hop-forbids", IPC_PHASE_RELAY, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (((play_file(cases[i].name) & cases[i].phase) != 0) != cases[i].reached)
			fail_msg("%s", cases[i].name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_script_keeps_what_is_promised),
		cmocka_unit_test(test_scripts_get_where_they_mean_to),
	};

	return cmocka_run_group_tests_name("keeper_messages", tests, setup, teardown);
}
