/*
 * Lists of addresses, as in from="" of authorized_keys(5).
 */
#ifndef FORMATS_ADDRESS_H
#define FORMATS_ADDRESS_H

#include "wire/wire.h"

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

/* A network, or one address: without padding, and unused bytes are 0, so that it can be hashed. */
struct address_block {
	uint8_t v6, bits; /* v6: 0 or 1; bits: of the prefix */
	uint8_t p[16];
};

/* Take the next element that is not negated off a list, for an index: without its scope, so it may match where
 * address_match() does not.  1; 0: there are no more; ERR_FORMAT: it has wildcards. */
int address_block_next(struct bytes *list, struct address_block *block);

/* A client's address as a block of all its bits.  0 or ERR_FORMAT. */
int address_block_of(const char *address, struct address_block *block);

/* Keep so many bits of a longer prefix. */
void address_block_shorten(struct address_block *block, uint8_t bits);

/* 1 if the list is well-formed, and has no host name and no IPv4-mapped address, which could
 * never match. */
int address_list_ok(const char *list);

#endif
