/*
 * Parsing and checking the policy keys of [route]: PermitOpen, PermitListen, SetEnv, and their sizes.  Used
 * by route_table in route.c.  access/policy_from_route.c turns them into the policy of a session.
 */
#include <string.h>
#include <strings.h>

#include "lookup/route.h"
#include "lookup/route_types.h"

static int
route_is_port(const char *port)
{
	uint16_t n;

	return strcmp(port, "*") == 0 || conf_port(port, &n) == 0;
}

static int
route_check_permit(const char *word, int bare_port, struct reason *why)
{
	const char *end;

	if (strcasecmp(word, "any") == 0 || strcasecmp(word, "none") == 0 ||
	    (bare_port && route_is_port(word)))
		return 0;
	if (word[0] == '[') {
		end = strchr(word, ']');
		if (end != NULL && end > word + 1 && end[1] == ':' && route_is_port(end + 2))
			return 0;
	} else {
		end = strchr(word, ':');
		if (end != NULL && end != word && route_is_port(end + 1))
			return 0;
	}
	return keyword_bad(why, "\"%.80s\" is not HOST:PORT, [ADDRESS]:PORT%s, any or none", word,
	    bare_port ? ", PORT" : "");
}

int
route_check_permit_open(const char *word, struct reason *why)
{
	return route_check_permit(word, 0, why);
}

int
route_check_permit_listen(const char *word, struct reason *why)
{
	return route_check_permit(word, 1, why);
}

/* Take the next word off the front.  Blanks separate words, except between double quotes, which are removed.
 * 0; ERR_FORMAT: the second quote is missing. */
static int
route_next_word(const char **text, char *out)
{
	const char *p = *text + strspn(*text, " \t");
	int quoted = 0;

	for (; *p != '\0' && (quoted || (*p != ' ' && *p != '\t')); p++) {
		if (*p == '"')
			quoted = !quoted;
		else
			*out++ = *p;
	}
	*out = '\0';
	*text = p;
	return quoted ? ERR_FORMAT : 0;
}

static int
route_set_env_value(const struct keyword *kw, void *field, const char *value,
    struct keyword_ctx *ctx)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_";
	char word[4096];
	size_t name;
	int r;

	if (strlen(value) >= sizeof(word))
		return keyword_bad(&ctx->why, "longer than %zu bytes", sizeof(word) - 1);

	while (value[strspn(value, " \t")] != '\0') {
		if (route_next_word(&value, word) != 0)
			return keyword_bad(&ctx->why, "a quote is missing");
		name = strspn(word, letters);
		if (name == 0 || word[name] != '=')
			return keyword_bad(&ctx->why, "\"%.80s\" is not NAME=VALUE", word);
		r = strlist_add(field, word, strlen(word));
		if (r != 0)
			return r;
	}
	if (((struct strlist *)field)->n > ROUTE_SET_ENV_MAX)
		return keyword_bad(&ctx->why, "more than %d variables", ROUTE_SET_ENV_MAX);
	return 0;
}

static void
route_print_env_value(const struct keyword *kw, const void *field, FILE *to)
{
	const struct strlist *l = field;
	size_t i;

	for (i = 0; i < l->n; i++)
		fprintf(to, "%s = \"%s\"\n", kw->name, l->v[i]);
}

static void
route_clear_env_value(void *field)
{
	strlist_free(field);
}

const struct keyword_type route_set_env = { route_set_env_value, route_print_env_value,
	route_clear_env_value };

int
route_check_sftp_server(const char *value, struct reason *why)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._+-";

	if (strcasecmp(value, "yes") == 0 || strcasecmp(value, "no") == 0)
		return 0;
	/* a shell of the machine reads it */
	if (value[0] != '/' || value[strspn(value, plain)] != '\0' ||
	    strlen(value) > ROUTE_SFTP_PATH_MAX)
		return keyword_bad(why,
		    "\"%.80s\" is not yes, no or the path of sftp-server on the machine (A-Z a-z 0-9 "
		    "/ . _ + -)",
		    value);
	return 0;
}

int
route_is_sftp_read_only(const struct route *r)
{
	return r->sftp_read_only != NULL && strcasecmp(r->sftp_read_only, "no") != 0;
}

void
route_check_policy_size(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors)
{
	const struct {
		const char *key;
		const struct strlist *list;
	} lists[] = {
		{ "PermitOpen", &r->permit_open },
		{ "PermitListen", &r->permit_listen },
		{ "PermitCommands", &r->permit_commands },
		{ "AcceptEnv", &r->accept_env },
		{ "SetEnv", &r->set_env },
	};
	size_t size = r->force_command != NULL ? strlen(r->force_command) : 0, i, j;
	const struct conf_entry *e;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		e = conf_entry_find(s, lists[i].key);
		if (e != NULL && lists[i].list->n > ROUTE_POLICY_LIST_MAX)
			conf_error(errors, e->file, e->line, "%s: more than %d of them",
			    lists[i].key, ROUTE_POLICY_LIST_MAX);
		for (j = 0; j < lists[i].list->n; j++)
			size += strlen(lists[i].list->v[j]) + 4;
	}
	if (size > ROUTE_POLICY_SIZE_MAX)
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: PermitOpen, PermitListen, PermitCommands, AcceptEnv, SetEnv and "
		    "ForceCommand together are longer than %d KiB",
		    s->name, ROUTE_POLICY_SIZE_MAX / 1024);
}
