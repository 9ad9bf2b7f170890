#ifndef TRANSPORT_VERSION_H
#define TRANSPORT_VERSION_H

/* The version of the libssh that is linked in, as "0.12.2".  Static. */
const char *transport_libssh_version(void);

#endif
