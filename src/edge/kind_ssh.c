/*
 * The version string of an SSH client (RFC 4253 section 4.2), and the host that some clients hide behind it:
 * "SSH-2.0-name / HTTP/1.1" looks like a request of HTTP, whose Host: is in the first packet, an IGNORE
 * (RFC 4253 section 11.2).  A server skips both.
 */
#include <string.h>

#include "edge/kind_private.h"
#include "wire/ssh.h"
#include "wire/wire.h"

/* With its CR and LF. */
#define SSH_VERSION_MAX 255

/* Does the version string end like a request of HTTP? */
static int
kind_ssh_is_request(struct bytes line)
{
	static const char *const ends[] = { " / HTTP/1.1", " / HTTP/1.0" };
	size_t i, len;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		len = strlen(ends[i]);
		if (line.len > len && memcmp(line.p + line.len - len, ends[i], len) == 0)
			return 1;
	}
	return 0;
}

/* The host in the data of an IGNORE: *k has it. */
static void
kind_ssh_host(struct bytes data, struct kind *k)
{
	struct bytes line, value;
	const uint8_t *end;
	int port;

	for (; data.len > 0 && k->host[0] == '\0'; data.p += line.len, data.len -= line.len) {
		end = memchr(data.p, '\n', data.len);
		line = data;
		line.len = end == NULL ? data.len : (size_t)(end - data.p) + 1;
		value = line;
		while (value.len > 0 &&
		    (value.p[value.len - 1] == '\n' || value.p[value.len - 1] == '\r'))
			value.len--;
		if (kind_header(value, "Host", &value))
			(void)kind_set_authority(k, value, &port);
	}
}

/* The packet behind the version string.  0 or ERR_AGAIN. */
static int
kind_ssh_packet(const uint8_t *p, size_t n, size_t room, struct kind *k)
{
	uint32_t len;
	uint8_t padding;
	struct wire w;
	struct bytes data;

	if (n < 6)
		return ERR_AGAIN;
	wire_init(&w, p, n);
	len = wire_u32(&w);
	padding = wire_u8(&w);
	if (wire_u8(&w) != SSH_MSG_IGNORE || len < 2 + 4 + (uint32_t)padding || len > room - 4)
		return 0;
	if (n - 4 < len)
		return ERR_AGAIN;
	wire_init(&w, p + 6, len - 2 - padding);
	data = wire_string(&w);
	if (wire_end(&w) == 0)
		kind_ssh_host(data, k);
	return 0;
}

int
kind_ssh(const uint8_t *p, size_t n, struct kind *k)
{
	const size_t max = n < SSH_VERSION_MAX ? n : SSH_VERSION_MAX;
	struct bytes line = { p, 0 };
	const uint8_t *end;
	int r = kind_begins(p, n, "SSH-");

	if (r != 0)
		return r;
	end = memchr(p, '\n', max);
	if (end == NULL && n < SSH_VERSION_MAX)
		return ERR_AGAIN;
	k->kind = IPC_KIND_SSH;
	if (end == NULL)
		return 0;
	line.len = (size_t)(end - p);
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	if (!kind_ssh_is_request(line))
		return 0;
	end++;
	r = kind_ssh_packet(end, n - (size_t)(end - p), KIND_MAX - (size_t)(end - p), k);
	if (r == 0 && k->host[0] != '\0')
		k->kind = IPC_KIND_BANNER;
	return r;
}
