/*
 * Lists of addresses, as in from="" of authorized_keys(5).
 */
#ifndef FORMATS_ADDRESS_H
#define FORMATS_ADDRESS_H

/*
 * Match an address with a list of sshd's: addresses, CIDR blocks and wildcards, each negated by a
 * '!'.  1: a match; 0: none; -1: a match with '!', or a list that is not well-formed.  An
 * IPv4-mapped client address counts as its IPv4 address; an IPv4-mapped one in the list never
 * matches.  A link-local client address matches patterns with the same scope ("fe80::%eth0/10",
 * "fe80::*"); a block without a scope matches it only if negated.  Host names never match.
 */
int address_match(const char *address, const char *list);

/* The same for source-address of a certificate: a list of addresses and CIDR blocks only.  1: a
 * match; 0: none; -1: some part of the list is not well-formed. */
int address_match_blocks(const char *address, const char *list);

/* 1 if the list is well-formed, and has no host name and no IPv4-mapped address, which could
 * never match. */
int address_list_ok(const char *list);

#endif
