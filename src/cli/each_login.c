/*
 * Listing a directory tree of logins, for check_tree.c and route_list.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/access_hint.h"
#include "base/names.h"
#include "cli/each_login.h"

/* Made by mkfs in the root of a file system. */
#define LOST_AND_FOUND "lost+found"

static int
each_login_is(DIR *dir, const struct dirent *d)
{
	struct stat st;

	if (d->d_name[0] == '.' || strcmp(d->d_name, LOST_AND_FOUND) == 0 ||
	    !login_name_ok(d->d_name, strlen(d->d_name)))
		return 0;
	if (d->d_type == DT_DIR)
		return 1;
	/* a link that leads nowhere is for the lookup to explain */
	return d->d_type == DT_LNK ||
	    (d->d_type == DT_UNKNOWN &&
		fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		(S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)));
}

int
each_login(const char *tree, const struct as_user *as, each_login_fn *found, void *ctx,
    struct reason *why)
{
	const struct dirent *d;
	DIR *dir;

	as_user_self();
	dir = opendir(tree);
	if (dir == NULL && errno == EACCES)
		(void)access_hint(tree, R_OK | X_OK, why);
	else if (dir == NULL)
		reason_set(why, "%s", strerror(errno));
	as_user_keeper(as);
	if (dir == NULL)
		return ERR_SYS;
	while ((d = readdir(dir)) != NULL)
		if (each_login_is(dir, d))
			found(ctx, d->d_name);
	closedir(dir);
	return 0;
}

/* The request of a lookup; the backend gives it back to each_route_listed(). */
struct each_route {
	struct lookup_request request; /* first */
	each_route_fn *found;
	void *ctx;
	unsigned int n;
};

/* Is the key in the lists of this route?  Of none, so that the backend goes on (request->listed). */
static int
each_route_listed(const struct lookup_request *request, const struct route *route)
{
	struct each_route *e = (struct each_route *)(uintptr_t)request;

	e->n++;
	e->found(e->ctx, request->login, route);
	return 0;
}

enum lookup_result
each_route(struct lookup *lookup, const char *login, each_route_fn *found, void *ctx,
    struct reason *why)
{
	static const uint8_t any[] = "a key";
	struct each_route e = {
		.request = { .login = login,
		    .client_address = "",
		    .local_address = "",
		    .fingerprint = "",
		    .method = "publickey",
		    .key = { any, sizeof(any) - 1 },
		    .listed = each_route_listed },
		.found = found,
		.ctx = ctx,
	};
	struct route *r = NULL;
	enum lookup_result result = lookup_one(lookup, "directory", &e.request, &r, why);

	if (result == LOOKUP_FOUND && e.n == 0)
		found(ctx, login, r);
	route_free(&r);
	return e.n > 0 ? LOOKUP_FOUND : result;
}

struct each_tree {
	struct lookup *lookup;
	each_route_fn *found;
	void *ctx;
};

/* A directory (each_login()). */
static void
each_tree_login(void *ctx, const char *login)
{
	struct each_tree *t = ctx;
	struct reason why;

	(void)each_route(t->lookup, login, t->found, t->ctx, &why);
}

int
each_tree_route(const struct conf *conf, each_route_fn *found, void *ctx, struct reason *why)
{
	const struct conf_entry *e = conf_lookup_entry(conf, "directory", "Path");
	const struct as_user caller = { 0 };
	struct each_tree t = { .found = found, .ctx = ctx };
	struct conf_errors errors = { 0 };
	struct reason reason;
	char *tree;
	int r = 0;

	if (e == NULL || !strlist_has(&conf->lookup.order, "directory"))
		return 0;
	tree = conf_path(conf, e->value);
	if (tree == NULL) {
		reason_set(why, "out of memory");
		return ERR_NOMEM;
	}
	if (lookup_new(conf, &errors, &t.lookup) == 0) {
		r = each_login(tree, &caller, each_tree_login, &t, &reason);
		if (r != 0)
			reason_set(why, "%s: %s", tree, reason.text);
	}
	lookup_free(&t.lookup);
	conf_errors_free(&errors);
	free(tree);
	return r;
}
