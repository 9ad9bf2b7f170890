/*
 * The addresses of this host that another one sees.
 */
#ifndef CLI_OWN_ADDRESS_H
#define CLI_OWN_ADDRESS_H

#include <stdint.h>

#include "base/strlist.h"

/* Add the addresses of this host that a host of the route is reached from.  0; ERR_NOTFOUND,
 * with the reason printed; or ERR_NOMEM. */
int own_addresses(const char *host, uint16_t port, struct strlist *own);

#endif
