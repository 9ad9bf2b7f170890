/*
 * Key = ca:NAME or ca-agent:SOCKET, and the keywords of the certificates that such a route logs in with (route.c).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/names.h"
#include "formats/address.h"
#include "lookup/route.h"
#include "lookup/route_types.h"

#define ROUTE_CA_PREFIX "ca:"
#define ROUTE_CA_AGENT_PREFIX "ca-agent:"

/* As many as a login can make sense of; a certificate holds 256. */
#define ROUTE_PRINCIPAL_MAX 255

static const char *
route_ca_behind(const char *key, const char *prefix)
{
	const size_t len = strlen(prefix);

	return key != NULL && strncmp(key, prefix, len) == 0 ? key + len : NULL;
}

const char *
route_ca_of_key(const char *key)
{
	return route_ca_behind(key, ROUTE_CA_PREFIX);
}

const char *
route_ca_agent_of_key(const char *key)
{
	return route_ca_behind(key, ROUTE_CA_AGENT_PREFIX);
}

const char *
route_ca_agent(const struct route *r)
{
	return route_ca_agent_of_key(r->key);
}

const char *
route_ca(const struct route *r)
{
	return route_ca_agent(r) != NULL ? r->certificate_authority : route_ca_of_key(r->key);
}

int
route_check_key(const char *value, struct reason *why)
{
	const char *ca = route_ca_of_key(value), *socket = route_ca_agent_of_key(value);
	struct sockaddr_un address;
	struct reason rule;

	if (socket != NULL) {
		if (socket[0] == '/' && strlen(socket) < sizeof(address.sun_path))
			return 0;
		return keyword_bad(why,
		    "ca-agent:SOCKET, with the absolute path of an ssh-agent's socket, of at most %zu "
		    "bytes",
		    sizeof(address.sun_path) - 1);
	}
	if (ca == NULL)
		return key_name_check(value, why);
	if (key_name_check(ca, &rule) == 0)
		return 0;
	return keyword_bad(why, "ca:NAME, with the name of a key in the key store: %s", rule.text);
}

int
route_check_principal(const char *word, struct reason *why)
{
	size_t len = strlen(word);

	if (len > 0 && len <= ROUTE_PRINCIPAL_MAX && strchr(word, ',') == NULL)
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" can't be a principal: 1 to %d bytes without a comma; write blanks between "
	    "several",
	    word, ROUTE_PRINCIPAL_MAX);
}

int
route_check_source_address(const char *value, struct reason *why)
{
	char *list;
	int ok;

	if (strcasecmp(value, "auto") == 0 || strcasecmp(value, "none") == 0)
		return 0;
	list = route_address_list(value);
	ok = list != NULL && address_match_blocks("192.0.2.1", list) != -1;
	free(list);
	if (ok)
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" is not auto, none, or a list of the addresses that the machine sees the "
	    "gateway at: 192.0.2.7 2001:db8::/64",
	    value);
}

void
route_check_certificates(const struct conf *conf, const struct conf_section *s,
    const struct route *r, struct conf_errors *errors)
{
	/* not those with a default, which check --dump prints of each route */
	static const char *const words[] = { "CertificatePrincipals", "CertificateSourceAddress" };
	const struct conf_entry *e;
	const char *ca = route_ca(r);
	size_t i;

	for (i = 0; ca == NULL && i < sizeof(words) / sizeof(words[0]); i++) {
		e = conf_entry_find(s, words[i]);
		if (e != NULL && (r->key != NULL || !route_has(s, "Key")))
			conf_error(errors, e->file, e->line,
			    "%s needs Key = ca:NAME: the authority that signs the certificate",
			    words[i]);
	}
	e = conf_entry_find(s, "CertificateAuthority");
	if (e != NULL && route_ca_agent(r) == NULL && (r->key != NULL || !route_has(s, "Key")))
		conf_error(errors, e->file, e->line,
		    "CertificateAuthority says which key of an agent signs: it needs Key = "
		    "ca-agent:SOCKET");
	if (ca == NULL && route_ca_agent(r) != NULL && !route_has(s, "CertificateAuthority")) {
		e = conf_entry_find(s, "Key");
		conf_error(errors, e->file, e->line,
		    "Key = ca-agent: needs CertificateAuthority = FILE.pub: which key of the agent "
		    "signs");
	}
	if (ca == NULL)
		return;
	e = conf_entry_find(s, "CertificateFile");
	if (e != NULL)
		conf_error(errors, e->file, e->line,
		    "CertificateFile and Key = %.80s cannot be combined: the gateway makes the "
		    "certificate itself",
		    r->key);
	e = conf_entry_find(s, "Key");
	if (e != NULL && strlist_has(&conf->gateway.host_keys, ca))
		conf_error(errors, e->file, e->line,
		    "Key: %s is the gateway's own HostKey, and no authority; make another: "
		    "sallyport key generate NAME",
		    ca);
}
