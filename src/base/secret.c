/*
 * Secrets in guarded memory, by libsodium.  Called by the keeper, keystore and transport for keys,
 * passwords and passphrases.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <sodium.h>

#include "base/log.h"
#include "base/secret.h"

/* The secrets that exist at a time in most gateways take less than this: the store key; during a signature two
 * copies of a key, at most of RSA with 8192 bits (3.6 KiB each); and a page for each login upstream that is under way
 * with a certificate of its own (Key = ca:).  Where there are more, the system may swap those out. */
#define MEMORY_LOCKED (64 * 1024)

struct secret {
	uint8_t *data; /* from sodium_malloc() */
	size_t len;
	unsigned int open; /* nesting of secret_open() */
};

/* sodium_malloc() locks the pages and leaves them out of core dumps, but a forked child would
 * inherit them. */
static void
secret_nofork(struct secret *s)
{
	uintptr_t page = 4096, start = (uintptr_t)s->data & ~(page - 1);
	uintptr_t end = ((uintptr_t)s->data + s->len + page - 1) & ~(page - 1);

	(void)madvise((void *)start, end - start, MADV_DONTFORK);
}

int
secret_memory_check(void)
{
	void *p = mmap(NULL, MEMORY_LOCKED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	    0);
	int r = 0;

	if (p == MAP_FAILED)
		return ERR_SYS;
	if (mlock(p, MEMORY_LOCKED) == -1)
		r = ERR_SYS;
	munmap(p, MEMORY_LOCKED);
	return r;
}

struct secret *
secret_new(size_t len)
{
	struct secret *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->data = sodium_malloc(len == 0 ? 1 : len);
	if (s->data == NULL) {
		free(s);
		return NULL;
	}
	s->len = len;
	memset(s->data, 0, len);
	secret_nofork(s);
	sodium_mprotect_noaccess(s->data);
	return s;
}

struct secret *
secret_from(const void *p, size_t len)
{
	struct secret *s = secret_new(len);

	if (s == NULL)
		return NULL;
	memcpy(secret_open(s), p, len);
	secret_close(s);
	return s;
}

void
secret_free(struct secret **sp)
{
	if (*sp == NULL)
		return;
	sodium_free((*sp)->data);
	free(*sp);
	*sp = NULL;
}

size_t
secret_len(const struct secret *s)
{
	return s->len;
}

uint8_t *
secret_open(struct secret *s)
{
	if (s->open++ == 0 && sodium_mprotect_readwrite(s->data) == -1)
		fatal("cannot open a secret's memory");
	return s->data;
}

void
secret_close(struct secret *s)
{
	if (--s->open == 0)
		sodium_mprotect_noaccess(s->data);
}

int
secret_equal(struct secret *a, struct secret *b)
{
	int same;

	if (a->len != b->len)
		return 0;
	same = sodium_memcmp(secret_open(a), secret_open(b), a->len) == 0;
	secret_close(b);
	secret_close(a);
	return same;
}
