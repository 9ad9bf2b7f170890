#include <stdlib.h>
#include <string.h>

#include "base/login.h"
#include "base/log.h"
#include "conf/keyword.h"
#include "lookup/plugin.h"

static const struct lookup_plugin *const plugins[] = { &plugin_ini };

#define NPLUGINS (sizeof(plugins) / sizeof(plugins[0]))

/* Names that people will try, as they are in the documentation. */
static const char *const backends_to_come[] = { "directory", "exec" };

struct lookup {
	struct link {
		const struct lookup_plugin *plugin;
		void *self;
	} chain[NPLUGINS];
	size_t n;
};

static const struct lookup_plugin *
plugin_find(const char *name)
{
	size_t i;

	for (i = 0; i < NPLUGINS; i++)
		if (strcmp(plugins[i]->name, name) == 0)
			return plugins[i];
	return NULL;
}

/* The plugin of a name; if there is none, the error is added. */
static const struct lookup_plugin *
plugin_need(const char *name, const char *file, unsigned int line, struct conf_errors *errors)
{
	const struct lookup_plugin *plugin = plugin_find(name);
	size_t i;

	if (plugin != NULL)
		return plugin;
	for (i = 0; i < sizeof(backends_to_come) / sizeof(backends_to_come[0]); i++) {
		if (strcmp(backends_to_come[i], name) == 0) {
			conf_error(errors, file, line, "lookup backend %s is not supported yet",
			    name);
			return NULL;
		}
	}
	conf_error(errors, file, line, "there is no lookup backend \"%.60s\"", name);
	return NULL;
}

static const struct conf_section *
section_find(const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->lookup.n; i++)
		if (strcmp(conf->lookup.sections[i].name, name) == 0)
			return &conf->lookup.sections[i];
	return NULL;
}

int
lookup_new(const struct conf *conf, struct conf_errors *errors, struct lookup **out)
{
	const struct conf_section *s;
	const struct lookup_plugin *plugin;
	size_t i, before = errors->n;
	unsigned int line;
	const char *file, *name;
	struct lookup *l;
	void *self;

	*out = NULL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ERR_NOMEM;
	for (i = 0; i < conf->lookup.n; i++) {
		s = &conf->lookup.sections[i];
		(void)plugin_need(s->name, s->file, s->line, errors);
	}
	file = conf_where(conf, "lookup", "Order", &line);
	for (i = 0; i < conf->lookup.order.n; i++) {
		name = conf->lookup.order.v[i];
		plugin = plugin_need(name, file, line, errors);
		self = NULL;
		if (plugin == NULL ||
		    plugin->new (conf, section_find(conf, name), errors, &self) != 0)
			continue;
		l->chain[l->n].plugin = plugin;
		l->chain[l->n++].self = self;
	}
	/* Routes are checked even if nobody is going to look at them. */
	if (!strlist_has(&conf->lookup.order, plugin_ini.name) &&
	    plugin_ini.new(conf, NULL, errors, &self) == 0)
		plugin_ini.free(self);
	if (errors->n != before) {
		lookup_free(&l);
		return ERR_CONFIG;
	}
	*out = l;
	return 0;
}

void
lookup_free(struct lookup **l)
{
	size_t i;

	if (*l == NULL)
		return;
	for (i = 0; i < (*l)->n; i++)
		(*l)->chain[i].plugin->free((*l)->chain[i].self);
	free(*l);
	*l = NULL;
}

enum lookup_result
lookup_find(struct lookup *l, const struct lookup_request *request, struct route **out)
{
	char why[PLUGIN_WHY_SIZE], login[256], reason[PLUGIN_WHY_SIZE];
	enum plugin_result result = PLUGIN_NEXT;
	const struct lookup_plugin *plugin;
	size_t i;

	*out = NULL;
	if (!login_name_ok(request->login, strlen(request->login)))
		return LOOKUP_NOT_FOUND;
	for (i = 0; i < l->n && result == PLUGIN_NEXT; i++) {
		plugin = l->chain[i].plugin;
		why[0] = '\0';
		result = plugin->find(l->chain[i].self, request, out, why);
		if (result == PLUGIN_FOUND) {
			(*out)->backend = plugin->name;
			return LOOKUP_FOUND;
		}
		if (why[0] == '\0' && result != PLUGIN_FAILED)
			continue;
		log_vis(login, sizeof(login), request->login, strlen(request->login));
		log_vis(reason, sizeof(reason), why, strlen(why));
		log_warn("lookup %s: %s: %s", plugin->name, login,
		    why[0] == '\0' ? "failed" : reason);
	}
	return result == PLUGIN_FAILED ? LOOKUP_FAILED : LOOKUP_NOT_FOUND;
}
