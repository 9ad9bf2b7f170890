/*
 * The keeper against sessions, errands and machines that send it anything at any time.
 */
#include "fuzz.h"
#include "keeper_driver.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char quiet[] = "-close_fd_mask=2"; /* the keeper's log */
	char **more = calloc((size_t)*argc + 2, sizeof(*more));
	int i;

	CHECK(more != NULL);
	for (i = 0; i < *argc; i++)
		more[i] = (*argv)[i];
	more[(*argc)++] = quiet;
	*argv = more;
	driver_start();
	atexit(driver_stop);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	(void)driver_play(data, len);
	return 0;
}
