/*
 * Lists of addresses, as in from="" of authorized_keys(5).
 */
#ifndef AUTH_ADDRESS_H
#define AUTH_ADDRESS_H

/* A pattern list of addresses and CIDR blocks with ! negation:
 * 1 match, 0 none, -1 negated match or a list that is not well formed.  An
 * IPv4-mapped address is its IPv4 address.  Host-name patterns never match. */
int address_match(const char *address, const char *list);

/* A list of addresses and CIDR blocks and nothing else, as in source-address of a
 * certificate: 1 match, 0 none, -1 if it is not well formed, all of it. */
int address_match_blocks(const char *address, const char *list);

/* 1 if the list is well formed, and nothing in it is a host name. */
int address_list_ok(const char *list);

#endif
