/*
 * sallyport check: the certificates and keys of the [tls] sections, for check.c and check_route.c.
 */
#include <string.h>

#include "access/tls_files.h"
#include "cli/check.h"

void
check_tls(struct check *c)
{
	struct tls_files_list list;
	const struct conf_tls *t;
	struct reason why;
	size_t i;

	for (i = 0; i < c->conf->n_tls; i++) {
		t = &c->conf->tls[i];
		if (t->key != NULL && check_key(c, t->key, KEYSTORE_KEY, &why) != 0)
			conf_error(c->errors, t->file, t->line, "[tls %s] Key: %s", t->name,
			    why.text);
	}
	/* after other errors, there is more to say than that they are there */
	if (c->errors->n > 0 || tls_files_load(c->conf, c->store.ks, &list, c->errors) != 0)
		return;
	for (i = 0; i < list.n; i++) {
		t = list.v[i].section;
		if (list.v[i].note.text[0] != '\0')
			conf_error(&c->notes, t->file, t->line, "[tls %s] %s", t->name,
			    list.v[i].note.text);
	}
	tls_files_free(&list);
}

void
check_tls_key(struct check *c, const struct conf_section *s, const char *key)
{
	const struct conf_entry e = check_place(s, "Key");
	size_t i;

	for (i = 0; i < c->conf->n_tls; i++)
		if (c->conf->tls[i].key != NULL && strcmp(c->conf->tls[i].key, key) == 0)
			conf_error(&c->notes, e.file, e.line,
			    "Key: %s is the key of [tls %s], too: a key is for one of the two, so that "
			    "nothing signed for one counts for the other",
			    key, c->conf->tls[i].name);
}
