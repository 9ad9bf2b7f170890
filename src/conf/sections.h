/*
 * The sections that are not routes: [gateway], [edge], [forward NAME], [tls NAME], [keystore] and [lookup].
 */
#ifndef CONF_SECTIONS_H
#define CONF_SECTIONS_H

#include "conf/conf.h"

/* Fill conf->gateway, conf->edge, conf->forwards, conf->tls, conf->keystore and conf->lookup from conf->sections, with
 * defaults.  Everything wrong is added to errors. */
void sections_parse(struct conf *conf, struct conf_errors *errors);
/* The keyword table of the i-th section, with its name in kind; NULL: there are no more.  For tests. */
struct keyword;
const struct keyword *sections_keywords(size_t i, const char **kind, size_t *n);

/* Free the values; print all sections, or one, in a form that can be read again. */
void sections_clear(struct conf *conf);
void sections_dump(const struct conf *conf, FILE *to);
void sections_dump_one(const struct conf *conf, const char *kind, FILE *to);

/* For sections of which there may be several, in forward.c and tls.c: an error at the last one if dump prints more
 * than max bytes, a whole number of KiB, for all of them.  The text has to fit the message that tells the master. */
void sections_check_size(const struct conf *conf, const char *kind,
    void (*dump)(const struct conf *, FILE *), size_t max, struct conf_errors *errors);

#endif
