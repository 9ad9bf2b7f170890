/*
 * The state directory: what the gateway has to know after a restart, such as one-time codes that
 * were used.  The keeper opens it with its configuration; subcommands open it beside the keeper,
 * and so may the keepers of other gateways.
 *
 * A record is the file DIRECTORY/KIND/NAME, at most 64 KiB of lines "word value" below the line
 * "sallyport-KIND 1".  It is replaced whole, so that it is either the old or the new one after a
 * crash, a kill or a full disk at any point.  doc/PROTOCOL.state describes the files.
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/buf.h"
#include "base/reason.h"
#include "base/strlist.h"

struct state;

/* Thousands of lines, or 16 remembered devices with room to spare; a record is read at a login. */
#define STATE_RECORD_MAX (64 * 1024)

/* The kinds of records that there are: their directories are made with the state directory, and the
 * keeper may write in these alone.  NULL after the last. */
const char *state_kind(size_t i);

/*
 * Open the directory.  With create, a missing one is made (mode 0700), and the directories of all
 * kinds in it; files that a killed process left half-written are removed.  Others may be able to
 * read the directory itself, but not to write to it, and the directories of kinds are private.
 * 0 with one reference in *out; or ERR_NOTFOUND, ERR_PERM, ERR_FORMAT (not a directory), ERR_SYS or
 * ERR_NOMEM with why, a line that begins with the path.
 */
int state_open(const char *path, int create, struct state **out, struct reason *why) MUST_CHECK;
struct state *state_ref(struct state *st);
void state_free(struct state **st); /* drops a reference; takes NULL */

/* As it was opened. */
const char *state_path(const struct state *st);

/*
 * Append the lines of a record to out, without its first line; a record of root, of this user or
 * (for root) of the owner of the directory, which no other user can read.  0; ERR_NOTFOUND: there is
 * none; or ERR_PERM, ERR_FORMAT, ERR_TOOBIG, ERR_SYS with why.
 */
int state_read(struct state *st, const char *kind, const char *name, struct buf *out,
    struct reason *why) MUST_CHECK;

/*
 * Change a record under the lock of its kind: change gets its lines (none, if there is no record) in
 * a buffer of its own and leaves in it what the record shall be; no lines at all remove it.  After 0
 * the record is on disk.  If change returns anything but 0, nothing is written and that is returned.
 * Else ERR_TIMEOUT: another process has held the lock for two seconds; or an ERR_* with why, and the
 * record is the old one, or the new one if only the directory could not be synchronized.
 */
int state_update(struct state *st, const char *kind, const char *name,
    int (*change)(void *ctx, struct buf *record), void *ctx, struct reason *why) MUST_CHECK;

/* As state_update(), to begin a damaged record anew: change gets the text "damaged", which is no line, in place of
 * content that cannot be read.  A file that is not private is refused as elsewhere. */
int state_repair(struct state *st, const char *kind, const char *name,
    int (*change)(void *ctx, struct buf *record), void *ctx, struct reason *why) MUST_CHECK;

/* Add the names of all records of a kind, in byte order.  0 (also if there is none) or an ERR_* with
 * why. */
int state_list(struct state *st, const char *kind, struct strlist *names,
    struct reason *why) MUST_CHECK;

/* Can records be written here?  0 or an ERR_* with why; nothing is left behind.  ERR_SYS: not now, as on a full
 * disk; ERR_NOTFOUND: a directory is missing, which state_open() makes; anything else, state_open() refuses. */
int state_check(struct state *st, struct reason *why) MUST_CHECK;

/* --- state_line.c: the lines of a record --- */

/* Take the next line "word value" off *rest.  1; 0: there is no other; ERR_FORMAT: it is no such line.
 * A word has 1 to 32 of a-z 0-9 -; a value has a byte or more, and no control characters. */
int state_line(struct bytes *rest, struct bytes *word, struct bytes *value);

/* A number of at most max, in decimal without zeros before it.  0 or ERR_FORMAT. */
int state_number(struct bytes value, uint64_t max, uint64_t *out) MUST_CHECK;

/* The reason for a record that its reader cannot understand.  Returns ERR_FORMAT. */
int state_bad_record(const struct state *st, const char *kind, const char *name, struct bytes word,
    struct reason *why);

/* --- state_serial.c --- */

/* The highest GatewayNumber. */
#define STATE_GATEWAY_MAX 1023

/*
 * A serial number for a certificate that no other one has: of this gateway by the record of what was
 * reserved, also if the clock was set back; of other gateways by their number.  0 or an ERR_* of
 * state_update(); state_serial() takes the time from the clock.
 */
int state_serial(struct state *st, unsigned int gateway, uint64_t *serial,
    struct reason *why) MUST_CHECK;
int state_serial_at(struct state *st, unsigned int gateway, time_t now, uint64_t *serial,
    struct reason *why) MUST_CHECK;

/* Can the record be read that the numbers go by?  0 (also if there is none yet) or an ERR_* of state_read() with why;
 * nothing is changed. */
int state_serial_check(struct state *st, struct reason *why) MUST_CHECK;

#endif
