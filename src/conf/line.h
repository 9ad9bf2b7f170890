/*
 * How a line of the configuration looks, before inih reads it.
 */
#ifndef CONF_LINE_H
#define CONF_LINE_H

#include <stddef.h>

/* 1 if nothing but a comment follows the ] of a header, which is in front of p. */
int line_header_ends(const char *p, const char *end);

/*
 * The ] of a header: the first one; of [route /EXPRESSION/LABEL], which may have others, the first behind a second
 * slash that is followed by the end or a comment.  NULL: there is none.
 */
const char *line_header_close(const char *text, size_t len);

/*
 * For inih a ';' after a blank always begins a comment.  1 if there is one between quotes, as in an option
 * of AuthorizedKey, where it cannot have been meant as a comment.
 */
int line_has_quoted_comment(const char *text, size_t len);

/* 1 for a keyword and a value without blanks, as in sshd_config. */
int line_is_of_sshd_config(const char *text, const char *end);

#endif
