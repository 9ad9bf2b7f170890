/*
 * The lines of the known hosts that are for one host.  Where names are hashed, each line has to
 * be tried; so what was found is remembered for as long as the text stays the same.
 */
#ifndef ACCESS_KNOWN_HOSTS_CACHE_H
#define ACCESS_KNOWN_HOSTS_CACHE_H

#include <stdint.h>

#include "base/buf.h"

/* Leave of the text of known hosts only what is for this host.  0, or the error of text. */
int known_hosts_cache_lines(struct buf *text, const char *host, uint16_t port) MUST_CHECK;

#endif
