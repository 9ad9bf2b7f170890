/*
 * Inside of `sallyport key`: key.c, key_add.c, key_for.c and key_remove.c share this.
 */
#ifndef CLI_KEY_H
#define CLI_KEY_H

#include "base/buf.h"
#include "base/reason.h"
#include "keystore/keystore.h"

#define KEY_BLOB_MAX 16384

struct key_args {
	const char *conf_dir;
	const char *store;
	const char *unlock;
	const char *from;  /* rewrap: the old SPEC; public --for: addresses */
	const char *route; /* --for: a login */
	const char *type;
	const char *name;
	const char *file;
	int password;
	int force;   /* remove: also a key in use */
	int replace; /* add: the name may be taken by another key */
	int quiet;   /* generate, add: the public half alone */
};

/* Where the store is and what opens it. */
struct key_place {
	char *path;
	char *unlock;
	char *run_as; /* NULL: no configuration */
};

/* Where the store is, by the options or by the configuration.  A CLI_*, the reason said;
 * key_place_free() it in any case. */
int key_place_get(const struct key_args *a, struct key_place *p);
void key_place_free(struct key_place *p);

/* Open it; with create, make it if there is none.  A CLI_*, the reason said. */
int key_store_open(const struct key_args *a, int create, struct keystore **ks);

/* The options that name the store, for a command to be typed: " -c DIR", " --store DIR" or "". */
#define KEY_WHERE_SIZE 4200
const char *key_where(const struct key_args *a, char out[KEY_WHERE_SIZE]);

/* Say why a key was not added.  The CLI_* for this ERR_*. */
int key_fail_add(const struct key_args *a, const struct reason *why, int err);

/* Say why.  The CLI_* for this ERR_*. */
int key_fail(const struct reason *why, int err);
int key_fail_memory(void);

/* The public half as a line of authorized_keys, on standard output. */
int key_print_public(const char *name, const struct buf *pub);

/* The commands: a CLI_*, the reason said. */
int key_generate_cmd(const struct key_args *a);
int key_add_cmd(const struct key_args *a);
int key_remove_cmd(const struct key_args *a);

/* public --for: print the line of authorized_keys, with options, for the upstream that the
 * login a->route leads to, and notes on standard error.  A CLI_*, the reason said. */
int key_public_for(const struct key_args *a, const struct buf *pub);

#endif
