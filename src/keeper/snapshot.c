/*
 * Loading and counting references of a snapshot of the configuration.  Called by the keeper at
 * its start and at each reload.
 */
#include <stdlib.h>
#include <string.h>

#include "access/state_place.h"
#include "keeper/snapshot.h"

static int
snapshot_load_banner(struct snapshot *g, struct conf_errors *errors)
{
	struct reason why;
	const char *file;
	unsigned int line;

	if (g->conf->gateway.banner == NULL || identity_banner(g->conf, &g->banner, &why) == 0)
		return 0;
	file = conf_where(g->conf, "gateway", "Banner", &line);
	conf_error(errors, file, line, "Banner: %s", why.text);
	return ERR_CONFIG;
}

/* Has this key of [lookup exec] its old value?  If not, add an error. */
static int
snapshot_same_of_exec(const struct conf *old, const struct conf *new, const char *key,
    struct conf_errors *errors)
{
	const struct conf_entry *a = conf_lookup_entry(old, "exec", key);
	const struct conf_entry *b = conf_lookup_entry(new, "exec", key);

	if (a == NULL && b == NULL)
		return 1;
	if (a != NULL && b != NULL && strcmp(a->value, b->value) == 0)
		return 1;
	conf_error(errors, b != NULL ? b->file : new->dir, b != NULL ? b->line : 0,
	    "%s of [lookup exec] changes only at a restart%s", key,
	    strcmp(key, "RunAs") == 0 ? "" : ", because RunAs is set");
	return 0;
}

/* The process that starts lookup programs as another user was told at its start which user
 * and which program. */
static void
snapshot_check_programs(const struct snapshot *old, const struct conf *conf,
    struct conf_errors *errors)
{
	if (old != NULL && snapshot_same_of_exec(old->conf, conf, "RunAs", errors) &&
	    conf_lookup_entry(conf, "exec", "RunAs") != NULL)
		(void)snapshot_same_of_exec(old->conf, conf, "Command", errors);
}

/* At the start the state directory is opened, and made if something needs it.  The keeper can write
 * to no other later. */
static void
snapshot_open_state(struct snapshot *g, const struct snapshot *old, struct conf_errors *errors)
{
	const struct conf_entry *need = state_place_need(g->conf);
	const char *path = g->conf->gateway.state_directory, *file;
	struct reason why;
	unsigned int line;

	file = conf_where(g->conf, "gateway", "StateDirectory", &line);
	/* the snapshot of snapshot_unlock() has no lookup, and no state */
	if (old == NULL || old->lookup == NULL) {
		if (state_place_open(g->conf, need != NULL, &g->state, &why) != 0 && need != NULL)
			conf_error(errors, file, line, "StateDirectory: %s", why.text);
	} else if (strcmp(path, old->conf->gateway.state_directory) != 0) {
		conf_error(errors, file, line, "StateDirectory changes only at a restart");
	} else if (need != NULL && state_place_need(old->conf) == NULL) {
		conf_error(errors, need->file, need->line,
		    "%s needs the state directory, which was not in use when this gateway started: "
		    "restart it",
		    need->key);
	} else if (old->state != NULL) {
		g->state = state_ref(old->state);
	}
}

int
snapshot_load(const char *dir, const struct snapshot *old, struct snapshot **out,
    struct conf_errors *errors)
{
	size_t before = errors->n;
	struct snapshot *g;

	*out = NULL;
	g = calloc(1, sizeof(*g));
	if (g == NULL) {
		conf_error(errors, dir != NULL ? dir : "conf.d", 0, "out of memory");
		return ERR_CONFIG;
	}
	g->refs = 1;
	/* go on after an error, to report independent ones as well */
	(void)!conf_read(dir, CONF_ALL, &g->conf, errors);
	if (g->conf != NULL && lookup_new(g->conf, errors, &g->lookup) == ERR_NOMEM)
		conf_error(errors, g->conf->dir, 0, "out of memory");
	if (g->conf != NULL)
		snapshot_check_programs(old, g->conf, errors);
	if (g->conf != NULL && errors->n == before) {
		(void)!identity_load(g->conf, old == NULL ? NULL : old->conf,
		    old == NULL ? NULL : old->identity, &g->identity, errors);
		(void)!snapshot_load_banner(g, errors);
		if (g->identity != NULL)
			(void)!tls_files_load(g->conf, g->identity->keystore, &g->tls, errors);
		snapshot_open_state(g, old, errors);
	}
	if (errors->n == before) {
		*out = g;
		return 0;
	}
	snapshot_unref(&g);
	return ERR_CONFIG;
}

int
snapshot_unlock(const char *dir, struct snapshot **out, struct conf_errors *errors)
{
	struct snapshot *g = calloc(1, sizeof(*g));
	int r = ERR_CONFIG;

	*out = NULL;
	if (g == NULL) {
		conf_error(errors, dir != NULL ? dir : "conf.d", 0, "out of memory");
		goto out;
	}
	g->refs = 1;
	r = conf_load(dir, CONF_GATEWAY, &g->conf, errors);
	if (r == 0 && strncmp(g->conf->keystore.unlock, "credential:", 11) == 0) {
		r = identity_load_store(g->conf, &g->identity, errors);
		if (r == 0) {
			*out = g;
			return 0;
		}
	}
out:
	snapshot_unref(&g);
	return r;
}

struct snapshot *
snapshot_ref(struct snapshot *g)
{
	g->refs++;
	return g;
}

void
snapshot_unref(struct snapshot **g)
{
	struct snapshot *old = *g;

	*g = NULL;
	if (old == NULL || --old->refs > 0)
		return;
	tls_files_free(&old->tls);
	lookup_free(&old->lookup);
	conf_free(&old->conf); /* after the lookup, which points into it */
	free(old->banner);
	identity_unref(&old->identity);
	state_free(&old->state);
	free(old);
}
