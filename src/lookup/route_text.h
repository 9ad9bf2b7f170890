/*
 * What route.c offers to route_text.c.
 */
#ifndef LOOKUP_ROUTE_TEXT_H
#define LOOKUP_ROUTE_TEXT_H

#include "lookup/route.h"

/* As route_new(), for a route that may have a private key's file instead of Key. */
int route_new_with(const struct conf *conf, const struct conf_section *section,
    const char *key_file, struct conf_errors *errors, struct route **out) MUST_CHECK;

#endif
