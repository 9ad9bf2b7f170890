/*
 * A keeper in this process, and everybody around it: the master, errands, and sessions that do what
 * a script says.  The fuzzer's inputs are such scripts, and so are the files of corpus/keeper, which
 * the unit test plays.
 *
 * A step is three characters: what is done, by which session (0 to 2), and an argument, often a
 * login of keeper_world.c.  Space and newline between steps count for nothing.  The steps are in the
 * table in keeper_driver.c.
 */
#ifndef KEEPER_DRIVER_H
#define KEEPER_DRIVER_H

#include <stddef.h>
#include <stdint.h>

/* A keeper that serves keeper_world.c's directory.  The process ends if there is none. */
void driver_start(void);
void driver_stop(void);

/*
 * Play a script.  The process ends (CHECK) when the keeper lets a signature or a stored password
 * out that has not been earned, when a session is still served after a message that does not fit, or
 * when anything is left once all have hung up.  Returns the phases reached (enum ipc_phase).
 */
unsigned int driver_play(const uint8_t *script, size_t len);

#endif
