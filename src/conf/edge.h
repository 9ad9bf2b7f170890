/*
 * The section [edge], and which connections it is for.
 */
#ifndef CONF_EDGE_H
#define CONF_EDGE_H

#include "conf/keyword.h"

#define EDGE_KEYWORDS 7
extern const struct keyword edge_table[EDGE_KEYWORDS];

/* Add errors for what does not go together with other sections. */
void edge_check(const struct conf *conf, struct conf_errors *errors);

#endif
