/*
 * A conversation with an ssh-agent.  Called by errand_ca.c.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "errand/agent_talk.h"
#include "formats/agent_proto.h"
#include "formats/pubkey.h"

/* Wait until the agent's socket is ready.  0, ERR_EOF or ERR_TIMEOUT. */
static int
agent_talk_wait(const struct agent_talk *t, short events)
{
	struct pollfd fds[2] = { { t->agent, events, 0 }, { t->watched, POLLIN, 0 } };
	int n;

	do
		n = poll(fds, 2, clock_until(t->deadline, clock_ms()));
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return ERR_TIMEOUT;
	/* the keeper sends nothing after the order */
	return fds[1].revents != 0 ? ERR_EOF : 0;
}

static int
agent_talk_send(const struct agent_talk *t, struct bytes b)
{
	ssize_t n;
	int r;

	while (b.len > 0) {
		if ((r = agent_talk_wait(t, POLLOUT)) != 0)
			return r;
		n = send(t->agent, b.p, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n == -1)
			return ERR_SYS;
		b.p += n;
		b.len -= (size_t)n;
	}
	return 0;
}

/* Append so many bytes.  ERR_SYS with errno 0: the agent has closed. */
static int
agent_talk_recv(const struct agent_talk *t, size_t len, struct buf *out)
{
	uint8_t *to;
	ssize_t n;
	int r;

	for (; len > 0; len -= (size_t)n) {
		if ((r = agent_talk_wait(t, POLLIN)) != 0)
			return r;
		to = buf_reserve(out, len);
		if (to == NULL)
			return buf_err(out);
		n = recv(t->agent, to, len, MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
			n = 0;
			continue;
		}
		if (n <= 0) {
			errno = n == 0 ? 0 : errno;
			return ERR_SYS;
		}
		out->len += (size_t)n;
	}
	return 0;
}

/* Send a request, which is freed, and append the answer without its length. */
static int
agent_talk_ask(const struct agent_talk *t, struct buf *request, struct buf *answer,
    struct reason *why)
{
	struct buf b;
	struct wire w;
	uint32_t len;
	int r;

	buf_init(&b, AGENT_TALK_ANSWER_MAX);
	wire_put_message(&b, request);
	r = buf_err(&b);
	if (r == 0)
		r = agent_talk_send(t, buf_bytes(&b));
	buf_reset(&b);
	if (r == 0)
		r = agent_talk_recv(t, 4, &b);
	if (r == 0) {
		wire_init(&w, b.data, b.len);
		len = wire_u32(&w);
		r = len == 0 || len > AGENT_TALK_ANSWER_MAX ? ERR_FORMAT :
							      agent_talk_recv(t, len, answer);
	}
	buf_free(&b);
	if (r == ERR_TIMEOUT)
		reason_set(why,
		    "the agent did not answer in time: is it hung, or waiting for somebody?");
	else if (r == ERR_FORMAT)
		reason_set(why, "the answer of the agent is not understood");
	else if (r == ERR_SYS && (errno == 0 || errno == EPIPE || errno == ECONNRESET))
		reason_set(why,
		    "the agent closed the connection: OpenSSH's serves its own user alone, and it is "
		    "the user of RunNetworkAs that asks");
	else if (r != 0)
		reason_set(why, "%s", err_str(r));
	return r;
}

/* Why the agent does not sign: by the keys that it has. */
static int
agent_talk_find(const struct agent_talk *t, struct bytes key, struct reason *why)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct agent_keys keys = { .n = 0 };
	struct buf request, answer;
	int r;

	buf_init(&request, 16);
	buf_init(&answer, AGENT_TALK_ANSWER_MAX);
	agent_proto_put_list(&request);
	r = agent_talk_ask(t, &request, &answer, why);
	if (r == 0 && agent_proto_keys(buf_bytes(&answer), key, &keys) != 0) {
		reason_set(why, "the answer of the agent is not understood");
		r = ERR_FORMAT;
	}
	if (r == 0) {
		pubkey_fingerprint(key, fingerprint);
		if (keys.n == 0)
			reason_set(why,
			    "the agent has no keys: it is locked, or nobody has added one (ssh-add)");
		else if (bytes_equal(keys.v[0], key))
			reason_set(why, "the agent refuses to sign with %s", fingerprint);
		else
			reason_set(why, "the agent does not have the key %s", fingerprint);
		r = ERR_AUTH;
	}
	buf_free(&answer);
	return r;
}

int
agent_talk_sign(const struct agent_talk *t, struct bytes key, struct bytes data, const char *alg,
    struct buf *sig, struct reason *why)
{
	struct buf request, answer;
	struct bytes blob;
	int r;

	buf_init(&request, AGENT_TALK_ANSWER_MAX);
	buf_init(&answer, AGENT_TALK_ANSWER_MAX);
	agent_proto_put_sign(&request, key, data, alg);
	r = agent_talk_ask(t, &request, &answer, why);
	if (r == 0) {
		r = agent_proto_signature(buf_bytes(&answer), &blob);
		if (r == ERR_AUTH) {
			r = agent_talk_find(t, key, why);
		} else if (r != 0 || blob.len == 0 || blob.len > AGENT_TALK_SIGNATURE_MAX) {
			reason_set(why, "the answer of the agent is not understood");
			r = ERR_FORMAT;
		} else {
			buf_put(sig, blob.p, blob.len);
			r = buf_err(sig);
		}
	}
	buf_free(&answer);
	return r;
}
