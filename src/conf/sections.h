/*
 * The sections that are not routes: [gateway], [keystore] and [lookup].
 */
#ifndef CONF_SECTIONS_H
#define CONF_SECTIONS_H

#include "conf/conf.h"

/* Fill gateway, keystore and lookup from the sections in conf->own, defaults
 * included, and add what is wrong to errors. */
void sections_parse(struct conf *conf, struct conf_errors *errors);
/* The i-th of their tables, or NULL: what keys there are. */
struct keyword;
const struct keyword *sections_keywords(size_t i, const char **kind, size_t *n);

void own_clear(struct conf *conf);
void own_dump(const struct conf *conf, FILE *to);
void own_dump_section(const struct conf *conf, const char *kind, FILE *to);

#endif
