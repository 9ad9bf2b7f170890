/*
 * Reading a client's certificate: see certificate.h.  Called by process.c, which is confined and has verified it, and by
 * `sallyport route --client-certificate`.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "tls/certificate.h"

/* 1 if this can be a name: UTF-8 as it comes, without control characters. */
static int
certificate_name_ok(const uint8_t *p, int len)
{
	int i;

	if (p == NULL || len <= 0 || len >= IPC_TLS_NAME_SIZE)
		return 0;
	for (i = 0; i < len; i++)
		if (p[i] < 0x20 || p[i] == 0x7f)
			return 0;
	return 1;
}

/* Append PREFIX and the name.  0 or an ERR_*. */
static int
certificate_add(struct strlist *list, const char *prefix, const uint8_t *p, int len)
{
	char name[IPC_TLS_NAME_SIZE];
	int n;

	if (!certificate_name_ok(p, len))
		return ERR_FORMAT;
	n = snprintf(name, sizeof(name), "%s%.*s", prefix, len, (const char *)p);
	if (n >= (int)sizeof(name))
		return ERR_FORMAT;
	return strlist_add(list, name, (size_t)n);
}

/* The CN and the OUs of the subject. */
static int
certificate_subject(const X509 *x, struct certificate_texts *texts, struct ipc_tls_done *m)
{
	const X509_NAME *subject = X509_get_subject_name(x);
	const X509_NAME_ENTRY *entry;
	unsigned char *text;
	int i, len, nid, r = 0;

	for (i = 0; i < X509_NAME_entry_count(subject) && r == 0; i++) {
		entry = X509_NAME_get_entry(subject, i);
		nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
		if (nid != NID_commonName && nid != NID_organizationalUnitName)
			continue;
		len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
		if (len < 0)
			return ERR_FORMAT;
		if (nid == NID_organizationalUnitName && m->units.n == IPC_TLS_UNITS_MAX)
			r = ERR_TOOBIG;
		else if (nid == NID_organizationalUnitName)
			r = certificate_add(&m->units, "", text, len);
		else if (certificate_name_ok(text, len))
			snprintf(texts->cn, sizeof(texts->cn), "%.*s", len, (const char *)text);
		else
			r = ERR_FORMAT;
		OPENSSL_free(text);
	}
	return r;
}

static int
certificate_add_address(struct strlist *list, const ASN1_OCTET_STRING *ip)
{
	char text[INET6_ADDRSTRLEN];
	const int len = ASN1_STRING_length(ip);

	if ((len != 4 && len != 16) ||
	    inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), text,
		sizeof(text)) == NULL)
		return ERR_FORMAT;
	return certificate_add(list, "IP:", (const uint8_t *)text, (int)strlen(text));
}

static int
certificate_add_name(struct strlist *list, const GENERAL_NAME *g)
{
	const char *prefix = g->type == GEN_DNS ? "DNS:" :
	    g->type == GEN_EMAIL		? "email:" :
	    g->type == GEN_URI			? "URI:" :
						  NULL;

	if (g->type == GEN_IPADD)
		return certificate_add_address(list, g->d.iPAddress);
	if (prefix == NULL)
		return 0;
	return certificate_add(list, prefix, ASN1_STRING_get0_data(g->d.ia5),
	    ASN1_STRING_length(g->d.ia5));
}

/* The subjectAltNames of the kinds that conditions know. */
static int
certificate_names(const X509 *x, struct ipc_tls_done *m)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	int i, r = 0;

	for (i = 0; i < sk_GENERAL_NAME_num(names) && r == 0; i++) {
		r = certificate_add_name(&m->names, sk_GENERAL_NAME_value(names, i));
		if (m->names.n > IPC_TLS_NAMES_MAX)
			r = ERR_TOOBIG;
	}
	GENERAL_NAMES_free(names);
	return r;
}

static int
certificate_serial(const X509 *x, struct certificate_texts *texts)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	const int len = ASN1_STRING_length(serial);
	int i;

	/* RFC 5280 section 4.1.2.2: at most 20 bytes */
	if (len < 0 || len > 20)
		return ERR_FORMAT;
	for (i = 0; i < len; i++)
		snprintf(texts->serial + 2 * i, 3, "%02x", ASN1_STRING_get0_data(serial)[i]);
	return 0;
}

int
certificate_read(X509 *x, struct certificate_texts *texts, struct ipc_tls_done *m,
    struct reason *why)
{
	unsigned int len = 0;
	int r;

	memset(texts, 0, sizeof(*texts));
	r = certificate_serial(x, texts);
	if (r == 0)
		r = certificate_subject(x, texts, m);
	if (r == 0)
		r = certificate_names(x, m);
	if (r == 0 && X509_digest(x, EVP_sha256(), texts->fingerprint, &len) != 1)
		r = ERR_NOMEM;
	if (r != 0) {
		reason_set(why,
		    "the client's certificate has names that cannot be used: longer than 255 bytes, with "
		    "control characters, or too many");
		ipc_tls_done_free(m);
		return r;
	}
	m->fingerprint = (struct bytes){ texts->fingerprint, len };
	m->serial = texts->serial;
	m->cn = texts->cn;
	return 0;
}
