/*
 * Key = ca:NAME and the keywords of the certificates that such a route logs in with (route.c).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/names.h"
#include "formats/address.h"
#include "lookup/route.h"
#include "lookup/route_types.h"

#define ROUTE_CA_PREFIX "ca:"

/* As many as a login can make sense of; a certificate holds 256. */
#define ROUTE_PRINCIPAL_MAX 255

const char *
route_ca_of_key(const char *key)
{
	const size_t len = strlen(ROUTE_CA_PREFIX);

	return key != NULL && strncmp(key, ROUTE_CA_PREFIX, len) == 0 ? key + len : NULL;
}

const char *
route_ca(const struct route *r)
{
	return route_ca_of_key(r->key);
}

int
route_check_key(const char *value, struct reason *why)
{
	const char *ca = route_ca_of_key(value);
	struct reason rule;

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
	if (ca == NULL)
		return;
	e = conf_entry_find(s, "CertificateFile");
	if (e != NULL)
		conf_error(errors, e->file, e->line,
		    "CertificateFile and Key = ca:%.80s cannot be combined: the gateway makes the "
		    "certificate itself",
		    ca);
	e = conf_entry_find(s, "Key");
	if (e != NULL && strlist_has(&conf->gateway.host_keys, ca))
		conf_error(errors, e->file, e->line,
		    "Key: %s is the gateway's own HostKey, and no authority; make another: "
		    "sallyport key generate NAME",
		    ca);
}
