/*
 * sallyport check: the directories of [lookup directory], one by one; for check.c.  A reload does not read
 * them, and each concerns its own login, so what is found is a note.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/access_hint.h"
#include "base/log.h"
#include "cli/check.h"
#include "cli/each_login.h"
#include "lookup/plugin.h"

struct check_tree {
	struct check *c;
	struct lookup *lookup;
	const char *tree;
	int after_ini; /* the [route] sections are asked first */
};

/* 1 if a reason ends with EACCES. */
static int
check_tree_is_closed(const char *text)
{
	static const char denied[] = ": Permission denied";
	size_t len = strlen(text), end = sizeof(denied) - 1;

	return len >= end && strcmp(text + len - end, denied) == 0;
}

/* A note on the directory of a login. */
static void
check_tree_note(const struct check_tree *t, const char *login, const char *text)
{
	const char *user = t->c->as.users.keeper;
	char *path;

	if (asprintf(&path, "%s/%s", t->tree, login) == -1)
		fatal("out of memory");
	/* its files are secret, so to read them is to own them */
	if (check_tree_is_closed(text) && access_hint_instead() == NULL && user != NULL) {
		conf_error(&t->c->notes, path, 0,
		    "user %s cannot read all of it; run: chown -R %s %s", user, user, path);
		free(path);
		return;
	}
	/* most reasons begin with it */
	if (strncmp(text, path, strlen(path)) == 0 && strncmp(text + strlen(path), ": ", 2) == 0)
		text += strlen(path) + 2;
	conf_error(&t->c->notes, path, 0, "%s", text);
	free(path);
}

/* A route that is found before the directory is asked for. */
static void
check_tree_shadow(const struct check_tree *t, const char *login)
{
	const struct lookup_request request = { .login = login,
		.client_address = "",
		.local_address = "",
		.fingerprint = "",
		.method = "none" };
	struct reason why = { "" }, text;
	struct route *r = NULL;

	if (t->after_ini && lookup_one(t->lookup, "ini", &request, &r, &why) == LOOKUP_FOUND) {
		reason_set(&text, "is never used: [route %.100s] at %s is found first", r->name,
		    r->source);
		check_tree_note(t, login, text.text);
	}
	route_free(&r);
}

/* A route of a login (each_route()). */
static void
check_tree_route(void *ctx, const char *login, const struct route *r)
{
	const struct check_tree *t = ctx;
	const struct conf_section s = { .kind = (char[]){ "route" },
		.name = (char[]){ "" },
		.file = r->source };

	(void)login;
	check_made_route(t->c, &s, r);
}

/* A login of the tree (each_login()). */
static void
check_tree_login(void *ctx, const char *login)
{
	struct check_tree *t = ctx;
	struct reason why = { "" };

	t->c->directories++;
	if (each_route(t->lookup, login, check_tree_route, t, &why) == LOOKUP_FOUND)
		check_tree_shadow(t, login);
	if (why.text[0] != '\0')
		check_tree_note(t, login, why.text);
}

void
check_tree(struct check *c, struct lookup *lookup)
{
	const struct strlist *order = &c->conf->lookup.order;
	const struct conf_entry *e = conf_lookup_entry(c->conf, "directory", "Path");
	struct check_tree t = { .c = c, .lookup = lookup };
	struct reason why;
	char *tree;
	size_t i;

	if (e == NULL || !strlist_has(order, "directory"))
		return;
	for (i = 0; strcmp(order->v[i], "directory") != 0; i++)
		t.after_ini |= strcmp(order->v[i], "ini") == 0;
	tree = conf_path(c->conf, e->value);
	if (tree == NULL)
		fatal("out of memory");
	t.tree = tree;
	if (each_login(tree, &c->as, check_tree_login, &t, &why) != 0)
		conf_error(&c->notes, e->file, e->line,
		    "Path: the directories in %s are not checked: %s", tree, why.text);
	free(tree);
}
