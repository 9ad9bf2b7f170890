/*
 * Memory that forked children do not inherit.  Called by the master for its tables of client
 * addresses.
 */
#include <sys/mman.h>

#include "base/dontfork.h"

void *
dontfork_new(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, size, MADV_DONTFORK) == -1) {
		(void)munmap(p, size);
		return NULL;
	}
	return p;
}

void
dontfork_free(void *p, size_t size)
{
	if (p != NULL)
		(void)munmap(p, size);
}
