/*
 * What the state directory has about each CA: its public key, its name, and what it has revoked.
 */
#ifndef CLI_CA_RECORD_H
#define CLI_CA_RECORD_H

#include "cli/ca.h"
#include "conf/conf.h"
#include "formats/revoked.h"
#include "state/state.h"

/* Load [gateway], and open the state directory; with create, it is made if there is none, else *st is NULL then.  A
 * CLI_*, the reason said; free both in any case. */
int ca_state_open(const struct ca_args *a, int create, struct conf **conf, struct state **st);

/* The serial number for a certificate of this CA: that of --serial, or one that no other certificate has, out of the
 * state directory, in which the CA then has a record.  A CLI_*, the reason said. */
int ca_serial(const struct ca_args *a, struct bytes ca, uint64_t *serial);

/* Have change() change the record of a CA, which gets this name if it is new; with NULL there is a record
 * afterwards.  A CLI_*, the reason said. */
int ca_record_update(struct state *st, struct bytes ca, const char *name,
    int (*change)(void *ctx, struct revoked *list, struct reason *why), void *ctx);

struct ca_records {
	struct revoked *v;
	size_t n;
};

/* The records of all CAs.  A CLI_*, the reason said; free them in any case. */
int ca_records_read(struct state *st, struct ca_records *records);
void ca_records_free(struct ca_records *records);

#endif
