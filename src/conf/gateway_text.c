/*
 * [gateway], [edge], [forward NAME] and [tls NAME] as a text.  At a reload the keeper sends the sections that it
 * has read and checked to the master (IPC_RELOADED), which parses them again.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/arena.h"
#include "conf/forward.h"
#include "conf/reader.h"
#include "conf/sections.h"
#include "conf/tls.h"

void
conf_gateway_dump(const struct conf *conf, FILE *to)
{
	sections_dump_one(conf, "gateway", to);
	sections_dump_one(conf, "edge", to);
	forwards_dump(conf, to);
	conf_tls_dump(conf, to);
}

/* 1 if the keeper would send these: [gateway], [edge], and any number of [forward NAME] and [tls NAME]. */
static int
conf_gateway_sections_ok(const struct conf_section *all, size_t n)
{
	size_t i;

	if (n < 2 || strcmp(all[0].kind, "gateway") != 0 || strcmp(all[1].kind, "edge") != 0)
		return 0;
	for (i = 2;
	     i < n && (strcmp(all[i].kind, "forward") == 0 || strcmp(all[i].kind, "tls") == 0); i++)
		;
	return i == n;
}

int
conf_gateway_parse(const char *text, size_t len, struct conf **out, struct conf_errors *errors)
{
	static const char name[] = "(reload)";
	const struct conf_section *all;
	struct reader *reader = NULL;
	size_t n, before = errors->n;
	struct conf *conf;

	*out = NULL;
	conf = calloc(1, sizeof(*conf));
	if (conf != NULL) {
		conf->dir = strdup(name);
		conf->base = strdup("/"); /* its paths are absolute */
		conf->arena = arena_new();
	}
	if (conf != NULL && conf->dir != NULL && conf->base != NULL && conf->arena != NULL)
		reader = reader_new(conf->arena, CONF_GATEWAY, errors);
	if (reader == NULL) {
		conf_error(errors, name, 0, "out of memory");
	} else {
		reader_text(reader, name, text, len);
		all = reader_sections(reader, &n);
		conf->sections = arena_take(conf->arena, n * sizeof(*all));
		if (conf->sections != NULL && conf_gateway_sections_ok(all, n)) {
			memcpy(conf->sections, all, n * sizeof(*all));
			conf->n_sections = n;
		} else {
			conf_error(errors, name, 0, "not [gateway] and [edge]");
		}
		sections_parse(conf, errors);
	}
	reader_free(&reader);
	if (errors->n != before) {
		conf_free(&conf);
		return ERR_CONFIG;
	}
	*out = conf;
	return 0;
}
