/*
 * The chain of lookup backends: asks each in the order of [lookup] Order until one has an answer.  Called by
 * the keeper at each login, and by `sallyport check` and `route`.  A new backend is a row in plugins[].
 */
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "base/log.h"
#include "conf/keyword.h"
#include "lookup/hop.h"
#include "lookup/plugin.h"

static const struct lookup_plugin *const plugins[] = { &plugin_ini, &plugin_directory,
	&plugin_exec };

#define NPLUGINS (sizeof(plugins) / sizeof(plugins[0]))

struct lookup {
	const struct conf *conf;
	char *dir; /* conf.d, resolved; NULL: it does not exist */
	struct link {
		const struct lookup_plugin *plugin;
		void *self;
	} chain[NPLUGINS];
	size_t n;
	void *sections; /* of plugin_ini, for ProxyJump; in the chain as well if Order names it */
	int sections_apart; /* Order does not */
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

/* The plugin with this name, or NULL with an error added. */
static const struct lookup_plugin *
plugin_require(const char *name, const char *file, unsigned int line, struct conf_errors *errors)
{
	const struct lookup_plugin *plugin = plugin_find(name);

	if (plugin != NULL)
		return plugin;
	conf_error(errors, file, line, "there is no lookup backend \"%.60s\"", name);
	return NULL;
}

static const struct conf_section *
lookup_section_find(const struct conf *conf, const char *name)
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
	l->conf = conf;
	l->dir = realpath(conf->dir, NULL);
	for (i = 0; i < conf->lookup.n; i++) {
		s = &conf->lookup.sections[i];
		(void)plugin_require(s->name, s->file, s->line, errors);
	}
	file = conf_where(conf, "lookup", "Order", &line);
	for (i = 0; i < conf->lookup.order.n; i++) {
		name = conf->lookup.order.v[i];
		plugin = plugin_require(name, file, line, errors);
		self = NULL;
		if (plugin == NULL ||
		    plugin->new (conf, lookup_section_find(conf, name), errors, &self) != 0)
			continue;
		l->chain[l->n].plugin = plugin;
		l->chain[l->n++].self = self;
		if (plugin == &plugin_ini)
			l->sections = self;
	}
	/* [route] sections are checked, and may be hops, even if Order leaves the ini backend out. */
	if (!strlist_has(&conf->lookup.order, plugin_ini.name) &&
	    plugin_ini.new(conf, NULL, errors, &l->sections) == 0)
		l->sections_apart = 1;
	if (errors->n == before)
		hops_check(l, conf, errors);
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
	if ((*l)->sections_apart)
		plugin_ini.free((*l)->sections);
	free((*l)->dir);
	free(*l);
	*l = NULL;
}

/* Handle the result of one backend.  1 if it ends the lookup, 0 if the next backend is asked. */
static int
lookup_settled(const struct link *link, const struct lookup_request *request,
    enum plugin_result *result, struct route **out, struct reason *why)
{
	char login[256], reason[REASON_SIZE];

	if (*result == PLUGIN_FOUND && !route_matches(*out, request)) {
		route_free(out);
		*result = PLUGIN_NEXT;
	}
	if (*result == PLUGIN_FOUND && (*out)->mode == ROUTE_HOP) {
		route_free(out);
		*result = PLUGIN_NOT_FOUND;
		reason_set(why, "Mode = hop: nobody logs in by this route");
	}
	if (*result == PLUGIN_FOUND) {
		(*out)->backend = link->plugin->name;
		(*out)->login = strdup(request->login);
		if ((*out)->login != NULL)
			return 1;
		route_free(out);
		reason_set(why, "out of memory");
		*result = PLUGIN_FAILED;
	}
	if (why->text[0] != '\0' || *result == PLUGIN_FAILED) {
		log_vis(login, sizeof(login), request->login, strlen(request->login));
		log_vis(reason, sizeof(reason), why->text, strlen(why->text));
		log_warn("lookup %s: %s: %s", link->plugin->name, login,
		    why->text[0] == '\0' ? "failed" : reason);
	}
	return *result != PLUGIN_NEXT;
}

static enum lookup_result
lookup_result_of(enum plugin_result result)
{
	switch (result) {
	case PLUGIN_FOUND:
		return LOOKUP_FOUND;
	case PLUGIN_FAILED:
		return LOOKUP_FAILED;
	case PLUGIN_ASK:
		return LOOKUP_ASK;
	case PLUGIN_NOT_FOUND:
	case PLUGIN_NEXT:
		break;
	}
	return LOOKUP_NOT_FOUND;
}

static int
lookup_add_path(struct strlist *l, const char *path)
{
	return path == NULL ? 0 : strlist_add(l, path, strlen(path));
}

int
lookup_keep_out(const struct lookup *l, struct lookup_command *command)
{
	const struct conf_keystore *k = &l->conf->keystore;
	int r;

	r = lookup_add_path(&command->closed, k->path);
	if (r == 0 && k->unlock != NULL && strncmp(k->unlock, "file:", 5) == 0)
		r = lookup_add_path(&command->closed, k->unlock + 5);
	if (r == 0)
		r = lookup_add_path(&command->closed, getenv("CREDENTIALS_DIRECTORY"));
	if (r == 0)
		r = lookup_add_path(&command->fixed, l->dir);
	return r;
}

/* Ask the backends of the chain from pending->link on, for this login. */
static enum lookup_result
lookup_ask_chain(struct lookup *l, const struct lookup_request *request,
    struct lookup_pending *pending, struct route **out)
{
	enum plugin_result result = PLUGIN_NEXT;
	struct reason why;
	const struct link *link;

	for (; pending->link < l->n; pending->link++) {
		link = &l->chain[pending->link];
		why.text[0] = '\0';
		result = link->plugin->find(link->self, request, out, &why);
		if (result == PLUGIN_ASK &&
		    (link->plugin->command(link->self, request, &pending->command) != 0 ||
			lookup_keep_out(l, &pending->command) != 0)) {
			lookup_pending_free(pending);
			reason_set(&why, "out of memory");
			result = PLUGIN_FAILED;
		}
		if (lookup_settled(link, request, &result, out, &why))
			break;
	}
	return lookup_result_of(result);
}

size_t
lookup_style(const char *login)
{
	size_t len = strcspn(login, ":");

	return login[len] != '\0' && login_name_ok(login, len) ? len : strlen(login);
}

/* The request as it is for pending, which may be past the whole login. */
static struct lookup_request
lookup_request_for(const struct lookup_request *request, const struct lookup_pending *pending)
{
	struct lookup_request now = *request;

	if (pending->login[0] != '\0')
		now.login = pending->login;
	return now;
}

/* Go on with what the last backend has said, result: if there is no such login, look it up without
 * its style. */
static enum lookup_result
lookup_without_style(struct lookup *l, const struct lookup_request *request,
    struct lookup_pending *pending, enum lookup_result result, struct route **out)
{
	size_t len = lookup_style(request->login);
	struct lookup_request plain;

	if (result != LOOKUP_NOT_FOUND || pending->login[0] != '\0' || request->login[len] == '\0')
		return result;
	snprintf(pending->login, sizeof(pending->login), "%.*s", (int)len, request->login);
	pending->link = 0;
	plain = lookup_request_for(request, pending);
	return lookup_ask_chain(l, &plain, pending, out);
}

enum lookup_result
lookup_begin(struct lookup *l, const struct lookup_request *request, struct lookup_pending *pending,
    struct route **out)
{
	*out = NULL;
	*pending = (struct lookup_pending){ 0 };
	if (request->by_key != NULL)
		*request->by_key = 0;
	if (!login_name_ok(request->login, strlen(request->login)))
		return LOOKUP_NOT_FOUND;
	return lookup_without_style(l, request, pending, lookup_ask_chain(l, request, pending, out),
	    out);
}

enum lookup_result
lookup_answer(struct lookup *l, const struct lookup_request *request,
    struct lookup_pending *pending, const struct lookup_reply *reply, struct route **out)
{
	const struct lookup_request now = lookup_request_for(request, pending);
	struct reason why = { "" };
	enum plugin_result result;
	enum lookup_result found;
	const struct link *link;

	*out = NULL;
	lookup_pending_free(pending);
	/* a reload may have put another backend in its place, or none */
	if (pending->link >= l->n || l->chain[pending->link].plugin->answer == NULL)
		return LOOKUP_FAILED;
	link = &l->chain[pending->link];
	result = link->plugin->answer(link->self, &now, reply, out, &why);
	if (lookup_settled(link, &now, &result, out, &why)) {
		found = lookup_result_of(result);
	} else {
		pending->link++;
		found = lookup_ask_chain(l, &now, pending, out);
	}
	return lookup_without_style(l, request, pending, found, out);
}

void
lookup_command_free(struct lookup_command *command)
{
	strlist_free(&command->argv);
	strlist_free(&command->env);
	strlist_free(&command->closed);
	strlist_free(&command->fixed);
}

void
lookup_pending_free(struct lookup_pending *pending)
{
	lookup_command_free(&pending->command);
}

void
lookup_check(struct lookup *l, const struct conf *conf, struct conf_errors *errors)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (l->chain[i].plugin->check != NULL)
			l->chain[i].plugin->check(l->chain[i].self, conf, errors);
}

void
lookup_check_run(struct lookup *l, const struct conf *conf, struct conf_errors *errors)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (l->chain[i].plugin->check_run != NULL)
			l->chain[i].plugin->check_run(l->chain[i].self, conf, errors);
}

/* The link of the backend with this name, or NULL. */
static const struct link *
lookup_link_find(const struct lookup *l, const char *name)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (strcmp(l->chain[i].plugin->name, name) == 0)
			return &l->chain[i];
	return NULL;
}

enum lookup_result
lookup_one(struct lookup *l, const char *backend, const struct lookup_request *request,
    struct route **out, struct reason *why)
{
	const struct link *link = lookup_link_find(l, backend);

	*out = NULL;
	why->text[0] = '\0';
	if (link == NULL)
		return LOOKUP_NOT_FOUND;
	return lookup_result_of(link->plugin->find(link->self, request, out, why));
}

int
lookup_section(struct lookup *l, const char *name, struct route **out, struct reason *why)
{
	const struct lookup_request request = { .login = name,
		.client_address = "",
		.local_address = "",
		.fingerprint = "" };
	enum plugin_result result;

	*out = NULL;
	why->text[0] = '\0';
	if (!login_name_ok(name, strlen(name)))
		return ERR_NOTFOUND;
	result = plugin_ini.find(l->sections, &request, out, why);
	if (result == PLUGIN_FAILED || result == PLUGIN_NOT_FOUND)
		return ERR_FORMAT;
	if (result != PLUGIN_FOUND || strcmp((*out)->name, name) != 0) {
		route_free(out);
		return ERR_NOTFOUND;
	}
	(*out)->backend = plugin_ini.name;
	(*out)->login = strdup(name);
	if ((*out)->login != NULL)
		return 0;
	route_free(out);
	reason_set(why, "out of memory");
	return ERR_NOMEM;
}

void
lookup_dump(const struct lookup *l, const struct conf *conf, FILE *to)
{
	const struct conf_section *s;
	const struct link *link;
	size_t i, j;

	for (i = 0; i < conf->lookup.n; i++) {
		s = &conf->lookup.sections[i];
		link = lookup_link_find(l, s->name);
		fprintf(to, "\n[lookup %s]\n", s->name);
		if (link != NULL)
			keyword_dump(link->plugin->keywords, link->plugin->n_keywords, link->self,
			    to);
		for (j = 0; link == NULL && j < s->n; j++)
			fprintf(to, "%s = %s\n", s->entries[j].key, s->entries[j].value);
	}
}

int
lookup_keywords(size_t i, const char **name, const struct keyword **table, size_t *n)
{
	if (i >= NPLUGINS)
		return 0;
	*name = plugins[i]->name;
	*table = plugins[i]->keywords;
	*n = plugins[i]->n_keywords;
	return 1;
}
