/*
 * What the keeper is told of a client's certificate; and `sallyport route` reads of one.
 */
#ifndef TLS_CERTIFICATE_H
#define TLS_CERTIFICATE_H

#include <openssl/types.h>

#include "base/reason.h"
#include "ipc/messages.h"

/* Where certificate_read() keeps what a struct ipc_tls_done points to. */
struct certificate_texts {
	uint8_t fingerprint[32];
	char serial[48];
	char cn[IPC_TLS_NAME_SIZE];
};

/* Fill in what m has of a certificate; then ipc_tls_done_free().  0; or an ERR_* with why, if it has names that no
 * certificate should have: longer than 255 bytes, with control characters, or too many. */
int certificate_read(X509 *x, struct certificate_texts *texts, struct ipc_tls_done *m,
    struct reason *why) MUST_CHECK;

#endif
