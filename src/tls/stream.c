/*
 * The relay between TLS and what is inside of it: see stream.h.  Called by process.c.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "tls/stream.h"

/* Bytes that may wait for one side: four records. */
#define STREAM_BUFFER 65536
/* How long the end of our side may take to reach a client that reads nothing, once what is inside has ended. */
#define STREAM_END_MS 15000
/* How long the client is still read after that. */
#define STREAM_LINGER_MS 2000

/* --- the socket as OpenSSL uses it --- */

static int
stream_bio_read(BIO *bio, char *to, int size)
{
	const ssize_t n = recv((int)(intptr_t)BIO_get_data(bio), to, (size_t)size, MSG_DONTWAIT);

	BIO_clear_retry_flags(bio);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	if (n == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)n;
}

static int
stream_bio_write(BIO *bio, const char *from, int len)
{
	const ssize_t n = send((int)(intptr_t)BIO_get_data(bio), from, (size_t)len,
	    MSG_NOSIGNAL | MSG_DONTWAIT);

	BIO_clear_retry_flags(bio);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

static long
stream_bio_ctrl(BIO *bio, int command, long number, void *p)
{
	(void)number;
	(void)p;
	if (command == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	/* nothing is kept back that would have to be flushed */
	return command == BIO_CTRL_FLUSH;
}

int
stream_attach(SSL *ssl, int fd)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
	BIO *bio;

	if (method == NULL || BIO_meth_set_read(method, stream_bio_read) != 1 ||
	    BIO_meth_set_write(method, stream_bio_write) != 1 ||
	    BIO_meth_set_ctrl(method, stream_bio_ctrl) != 1 || (bio = BIO_new(method)) == NULL)
		return ERR_NOMEM;
	BIO_set_data(bio, (void *)(intptr_t)fd);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	return 0;
}

/* --- the relay --- */

/* What waits to be written to one side. */
struct stream_way {
	uint8_t data[STREAM_BUFFER];
	size_t start, end;
	int ended; /* nothing more comes from the side that it is read from */
	int shut;  /* and the other side has been told */
};

struct stream {
	SSL *ssl;
	int client, inner;
	struct stream_way in, out; /* from the client; to the client */
	int broken; /* the connection to the client: nothing can be sent or read any more */
	int gone;   /* what is inside: the same */
	int read_wants_out, write_wants_in; /* what OpenSSL waits for to go on */
	int drained;			    /* SSL_read() has taken all that has come */
	int64_t deadline;		    /* of the end */
};

static size_t
stream_room(const struct stream_way *w)
{
	return w->start == w->end ? sizeof(w->data) : sizeof(w->data) - w->end;
}

/* Where the next bytes go.  A way that is empty begins anew. */
static uint8_t *
stream_place(struct stream_way *w)
{
	if (w->start == w->end)
		w->start = w->end = 0;
	return w->data + w->end;
}

static int
stream_waiting(const struct stream_way *w)
{
	return w->start < w->end;
}

/* Nothing comes from the client any more, and nothing can be sent to it. */
static void
stream_break(struct stream *s)
{
	s->broken = 1;
	s->in.ended = 1;
	s->out.start = s->out.end;
	s->out.shut = 1;
}

/* The same for what is inside. */
static void
stream_lose(struct stream *s)
{
	s->gone = 1;
	s->out.ended = 1;
	s->in.start = s->in.end;
	s->in.shut = 1;
}

static void
stream_read_client(struct stream *s)
{
	int n, e;

	while (!s->in.ended && stream_room(&s->in) > 0) {
		n = SSL_read(s->ssl, stream_place(&s->in), (int)stream_room(&s->in));
		if (n > 0) {
			s->in.end += (size_t)n;
			s->drained = 0;
			continue;
		}
		e = SSL_get_error(s->ssl, n);
		s->drained = e == SSL_ERROR_WANT_READ;
		s->read_wants_out = e == SSL_ERROR_WANT_WRITE;
		if (e == SSL_ERROR_ZERO_RETURN)
			s->in.ended = 1;
		else if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			stream_break(s);
		ERR_clear_error();
		return;
	}
}

static void
stream_write_inner(struct stream *s)
{
	ssize_t n;

	while (stream_waiting(&s->in)) {
		n = send(s->inner, s->in.data + s->in.start, s->in.end - s->in.start,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1) {
			if (errno != EAGAIN && errno != EINTR)
				stream_lose(s);
			return;
		}
		s->in.start += (size_t)n;
	}
	if (s->in.ended && !s->in.shut) {
		(void)!shutdown(s->inner, SHUT_WR);
		s->in.shut = 1;
	}
}

static void
stream_read_inner(struct stream *s)
{
	ssize_t n;

	if (s->out.ended || stream_room(&s->out) == 0)
		return;
	n = recv(s->inner, stream_place(&s->out), stream_room(&s->out), MSG_DONTWAIT);
	if (n > 0)
		s->out.end += (size_t)n;
	else if (n == 0)
		s->out.ended = 1;
	else if (errno != EAGAIN && errno != EINTR)
		stream_lose(s);
}

static void
stream_write_client(struct stream *s)
{
	int n, e;

	while (stream_waiting(&s->out)) {
		n = SSL_write(s->ssl, s->out.data + s->out.start, (int)(s->out.end - s->out.start));
		if (n > 0) {
			s->out.start += (size_t)n;
			s->deadline = CLOCK_NEVER;
			continue;
		}
		e = SSL_get_error(s->ssl, n);
		s->write_wants_in = e == SSL_ERROR_WANT_READ;
		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			stream_break(s);
		ERR_clear_error();
		return;
	}
	if (!s->out.ended || s->out.shut)
		return;
	/* close_notify, and the end of our side of TCP behind it */
	n = SSL_shutdown(s->ssl);
	e = n < 0 ? SSL_get_error(s->ssl, n) : SSL_ERROR_NONE;
	ERR_clear_error();
	if (e == SSL_ERROR_WANT_WRITE)
		return;
	s->out.shut = 1;
	(void)!shutdown(s->client, SHUT_WR);
}

/* Both ways are at their end; or what is inside is, and the client has had its time. */
static int
stream_done(struct stream *s, int64_t now)
{
	if ((s->in.shut && s->out.shut) || (s->broken && s->gone))
		return 1;
	if (s->deadline == CLOCK_NEVER && s->gone)
		s->deadline = now + STREAM_END_MS;
	return now >= s->deadline;
}

/* Wait for what the buffers have use for.  Of a descriptor that is polled for nothing, an error would be an event for
 * ever. */
static void
stream_wait(struct stream *s, int64_t now)
{
	struct pollfd fds[2] = { { s->client, 0, 0 }, { s->inner, 0, 0 } };
	const int reads = !s->in.ended && stream_room(&s->in) > 0;

	if (reads || s->write_wants_in)
		fds[0].events |= POLLIN;
	if ((stream_waiting(&s->out) && !s->write_wants_in) || (reads && s->read_wants_out) ||
	    (s->out.ended && !s->out.shut))
		fds[0].events |= POLLOUT;
	if (!s->out.ended && stream_room(&s->out) > 0)
		fds[1].events |= POLLIN;
	if (stream_waiting(&s->in))
		fds[1].events |= POLLOUT;
	if (s->broken || fds[0].events == 0)
		fds[0].fd = -1;
	/* but that it is closed altogether is wanted after its end */
	if (s->gone || (fds[1].events == 0 && !s->out.ended))
		fds[1].fd = -1;
	(void)poll(fds, 2, reads && !s->drained ? 0 : clock_until(s->deadline, now));
	if (s->out.ended && (fds[1].revents & POLLHUP) != 0)
		stream_lose(s);
}

/* Read what still comes, so that no reset overtakes what was sent last. */
static void
stream_linger(struct stream *s)
{
	struct pollfd fd = { s->client, POLLIN, 0 };
	int64_t now = clock_ms();
	const int64_t end = now + STREAM_LINGER_MS;

	for (; !s->broken && now < end; now = clock_ms())
		if (poll(&fd, 1, clock_until(end, now)) == 1 &&
		    recv(s->client, s->in.data, sizeof(s->in.data), MSG_DONTWAIT) <= 0)
			return;
}

void
stream_run(SSL *ssl, int client, int inner)
{
	static struct stream stream;
	struct stream *s = &stream;
	int64_t now;

	s->ssl = ssl;
	s->client = client;
	s->inner = inner;
	s->deadline = CLOCK_NEVER;
	for (now = clock_ms(); !stream_done(s, now); now = clock_ms()) {
		stream_wait(s, now);
		s->write_wants_in = 0;
		stream_read_client(s);
		stream_write_inner(s);
		stream_read_inner(s);
		stream_write_client(s);
	}
	stream_linger(s);
}
