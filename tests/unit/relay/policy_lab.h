/*
 * A relay with a policy, for the tests of policies: messages of both peers, and what is made of them.
 */
#ifndef TESTS_POLICY_LAB_H
#define TESTS_POLICY_LAB_H

#include "relay/policy_enforce.h"
#include "relay/relay.h"

struct policy_lab {
	struct relay r;
	char said[4096]; /* of made_messages() */
};

/* Start a relay with this policy, whose contents it takes over, for the session 3f2a; and free it. */
void policy_lab_start(struct policy_lab *f, struct policy *policy);
void policy_lab_end(struct policy_lab *f);

/* Append an item to a list of the policy. */
void add_item(struct strlist *l, const char *s);

/* The messages that the relay has made since the last call, in words: "C98(7)exit-status 1;" is a CHANNEL_REQUEST
 * to channel 7 of the client, "U98(1007)..." one upstream that wants a reply. */
const char *made_messages(struct policy_lab *f);

/* Begin a message of this type; give it to the relay, which frees it. */
void begin_message(struct buf *b, uint8_t type);
enum relay_action give_message(struct policy_lab *f, enum relay_leg from, struct buf *b);

/* A channel to host and port, or a session without them. */
enum relay_action open_channel(struct policy_lab *f, enum relay_leg from, const char *type,
    uint32_t number, const char *host, uint32_t port);

/* The upstream confirms it. */
enum relay_action confirm_channel(struct policy_lab *f, uint32_t client, uint32_t upstream);

/* Open and confirm a session. */
void open_session(struct policy_lab *f, uint32_t client, uint32_t upstream);

/* A CHANNEL_REQUEST of the client; one or two strings may follow. */
enum relay_action channel_request(struct policy_lab *f, uint32_t number, const char *type, int want,
    const char *one, const char *two);

/* A message that has only the number of a channel. */
enum relay_action channel_message(struct policy_lab *f, enum relay_leg from, uint8_t type,
    uint32_t number);

/* A GLOBAL_REQUEST of the client to listen on this address. */
enum relay_action request_listen(struct policy_lab *f, const char *name, const char *host,
    uint32_t port, int want);

#endif
