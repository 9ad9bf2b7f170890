/*
 * Texts, lists of texts and of algorithms in the bodies of messages, for the files that write and read these.
 */
#ifndef IPC_MESSAGES_PRIVATE_H
#define IPC_MESSAGES_PRIVATE_H

#include "ipc/messages.h"

/* Longer texts than these are malformed. */
#define ADDRESS_SIZE 64
#define HOST_SIZE 256
#define REASON_SIZE 600

/* Read a text of less than size bytes. */
const char *text_get(struct wire *body, struct ipc_texts *texts, size_t size);

/* Append to a list, which is the caller's also after an error.  0 or an ERR_*. */
int strings_get(struct wire *body, struct strlist *strings, uint32_t max) MUST_CHECK;
void strings_put(struct buf *b, const struct strlist *strings);

void algorithms_put(struct buf *b, const struct ipc_algorithms *a);
void algorithms_get(struct wire *body, struct ipc_algorithms *a, struct ipc_texts *texts);

#endif
