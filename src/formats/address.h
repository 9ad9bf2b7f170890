/*
 * Lists of addresses, as in from="" of authorized_keys(5).
 */
#ifndef FORMATS_ADDRESS_H
#define FORMATS_ADDRESS_H

/*
 * Address patterns as sshd takes them: addresses, CIDR blocks and wildcards, some with '!'.
 * 1 match, 0 none, -1 a match with '!' or a list that is not well formed.  A client whose
 * address is IPv4-mapped has the IPv4 address; what the list has so written never matches.  A
 * link-local client matches what names the same scope ("fe80::%eth0/10", "fe80::*"), and no
 * block without one, but for a '!'.  Host names never match.
 */
int address_match(const char *address, const char *list);

/* A list of addresses and CIDR blocks and nothing else, as in source-address of a
 * certificate: 1 match, 0 none, -1 if it is not well formed, all of it. */
int address_match_blocks(const char *address, const char *list);

/* 1 if the list is well formed, and nothing in it is a host name or could never match: an
 * IPv4-mapped address. */
int address_list_ok(const char *list);

#endif
