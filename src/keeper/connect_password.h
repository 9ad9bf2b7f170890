/*
 * The passwords of those who ask for a connection by CONNECT of HTTP (ConnectPasswords of [edge]).
 */
#ifndef KEEPER_CONNECT_PASSWORD_H
#define KEEPER_CONNECT_PASSWORD_H

#include "base/buf.h"
#include "keeper/snapshot.h"

/* The name in ConnectPasswords, owned by the snapshot, if the credentials are this name, ':' and the password
 * that the key store has under it; else "".  Takes as long for a name that is not listed. */
const char *connect_password_name(const struct snapshot *g, struct bytes credentials);

#endif
