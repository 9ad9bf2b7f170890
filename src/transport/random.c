/*
 * Random bytes for libssh.  It asks for four at a time (sntrup761 does so thousands of
 * times for one key), and each question to libcrypto costs a system call.  So a page of
 * them is kept, and handed out once.  The kernel empties that page in a forked
 * child: no two processes ever use the same bytes.
 */
#include <string.h>
#include <sys/mman.h>

#include <openssl/rand.h>

#include "libssh/wrapper.h"
#include "transport/leg_private.h"

#define POOL_SIZE 4096

struct pool {
	size_t left; /* unused bytes, at the end of bytes[]; 0 in a new child */
	uint8_t bytes[POOL_SIZE - sizeof(size_t)];
};

int __real_ssh_get_random(void *where, int len, int strong);
int __wrap_ssh_get_random(void *where, int len, int strong);

static struct pool *
pool_get(void)
{
	static struct pool *pool;
	void *page;

	if (pool != NULL)
		return pool;
	page = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, POOL_SIZE, MADV_WIPEONFORK) == -1 ||
	    madvise(page, POOL_SIZE, MADV_DONTDUMP) == -1) {
		munmap(page, POOL_SIZE);
		return NULL;
	}
	pool = page;
	return pool;
}

/* As libssh's own: 1 for success, 0 for failure. */
int
__wrap_ssh_get_random(void *where, int len, int strong)
{
	struct pool *pool = len > 64 ? NULL : pool_get();
	uint8_t *from;

	if (pool == NULL || len <= 0)
		return __real_ssh_get_random(where, len, strong);
	if (pool->left < (size_t)len) {
		if (RAND_priv_bytes(pool->bytes, sizeof(pool->bytes)) != 1)
			return 0;
		pool->left = sizeof(pool->bytes);
	}
	from = pool->bytes + sizeof(pool->bytes) - pool->left;
	memcpy(where, from, (size_t)len);
	explicit_bzero(from, (size_t)len);
	pool->left -= (size_t)len;
	return 1;
}
