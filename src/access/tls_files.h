/*
 * What the [tls] sections need of files and of the key store.  The keeper loads it with each snapshot of the
 * configuration, and `sallyport check` does to see that it could.
 */
#ifndef ACCESS_TLS_FILES_H
#define ACCESS_TLS_FILES_H

#include "access/client_rules.h"
#include "base/reason.h"
#include "conf/tls.h"
#include "keystore/keystore.h"

/* One [tls] section. */
struct tls_files {
	const struct conf_tls *section;
	char type[64];	   /* of its key: "ssh-rsa" ... */
	struct buf sealed; /* the key as loaded */
	/*
	 * An anonymous file that nobody can change, for the process of each connection: the texts of Certificate,
	 * of all of ClientCA and of all of ClientCRL, one after the other.  -1: it is not made yet.
	 */
	int fd;
	uint32_t chain, client_ca, client_crl; /* their lengths */
	struct client_rules *rules;	       /* of ClientRules, or NULL */
	struct reason
	    note; /* what will go wrong although it can be used: expired, for one; or "" */
};

struct tls_files_list {
	struct tls_files *v;
	size_t n;
};

/*
 * Load the files of all [tls] sections.  A certificate has to fit its key, and what is in ClientCA and ClientCRL has to
 * be certificates and revocation lists.  ks is NULL where the keys cannot be seen.  0 with *out, or ERR_CONFIG with every error added and *out empty.
 */
int tls_files_load(const struct conf *conf, struct keystore *ks, struct tls_files_list *out,
    struct conf_errors *errors) MUST_CHECK;
void tls_files_free(struct tls_files_list *list);

/* ClientRules of a section, of which *out is NULL if it has none.  0, or ERR_CONFIG with every error added. */
int tls_files_rules(const struct conf *conf, const struct conf_tls *section,
    struct client_rules **out, struct conf_errors *errors) MUST_CHECK;

/* The files of a section, or NULL. */
const struct tls_files *tls_files_find(const struct tls_files_list *list, const char *section);

#endif
