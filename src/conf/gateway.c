/*
 * The [gateway] part as a text of its own: what one process has read and checked, and
 * another is to know.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "conf/arena.h"
#include "conf/conf.h"
#include "conf/sections.h"
#include "conf/reader.h"

void
conf_gateway_dump(const struct conf *conf, FILE *to)
{
	own_dump_section(conf, "gateway", to);
}

int
conf_gateway_parse(const char *text, size_t len, struct conf **out, struct conf_errors *errors)
{
	static const char name[] = "(reload)";
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
		conf->own = arena_take(conf->arena, sizeof(*conf->own));
		if (conf->own != NULL) {
			const struct conf_section *all = reader_sections(reader, &n);

			/* there is one */
			if (n == 1 && strcmp(all[0].kind, "gateway") == 0)
				conf->own[conf->n_own++] = all[0];
			else
				conf_error(errors, name, 0, "not one [gateway]");
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

void
conf_set_log(const struct conf_gateway *gateway)
{
	log_set_format(
	    strcasecmp(gateway->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_SSHD);
	if (strcasecmp(gateway->log_level, "DEBUG") == 0)
		log_set_level(LOG_LVL_DEBUG);
	else if (strcasecmp(gateway->log_level, "ERROR") == 0)
		log_set_level(LOG_LVL_ERROR);
	else
		log_set_level(LOG_LVL_INFO);
}
