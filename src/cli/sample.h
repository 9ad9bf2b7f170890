/*
 * The files of conf.d/ in the source tree, as they were when this was built.
 */
#ifndef CLI_SAMPLE_H
#define CLI_SAMPLE_H

#include <stddef.h>

struct sample {
	const char *name; /* "00-gateway.ini" */
	const char *text; /* not terminated */
	size_t len;
};

/* The i-th, or one without a name. */
struct sample sample_file(size_t i);

#endif
