/*
 * The environment of every lookup program, besides its SALLYPORT_* variables.  lookup/program.c sets
 * it, and the errand that runs the program (errand/errand_run.c) accepts nothing else.
 */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#define PROGRAM_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PROGRAM_LANG "LANG=C.UTF-8"

#endif
