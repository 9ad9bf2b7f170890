/*
 * What every lookup program finds in its environment.
 */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#define PROGRAM_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PROGRAM_LANG "LANG=C.UTF-8"

#endif
