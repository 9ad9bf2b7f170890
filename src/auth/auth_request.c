/*
 * Reading a USERAUTH_REQUEST (RFC 4252 section 5) into its fields, without judging them.
 */
#include "auth/auth_request.h"
#include "wire/methods.h"
#include "wire/ssh.h"

int
auth_request_parse(struct auth_request *r, const uint8_t *payload, size_t len)
{
	struct wire w;

	*r = (struct auth_request){ 0 };
	wire_init(&w, payload, len);
	(void)wire_u8(&w);
	r->user = wire_string(&w);
	r->service = wire_string(&w);
	r->method = wire_string(&w);
	r->hostbound = bytes_is(r->method, METHOD_HOSTBOUND);
	r->publickey = r->hostbound || bytes_is(r->method, METHOD_PUBLICKEY);
	if (r->publickey) {
		r->has_signature = wire_bool(&w);
		r->alg = wire_string(&w);
		r->blob = wire_string(&w);
		if (r->hostbound)
			r->host_key = wire_string(&w);
		if (r->has_signature)
			r->signature = wire_string(&w);
	} else if (!bytes_is(r->method, METHOD_NONE)) {
		r->rest = wire_rest(&w);
	}
	return wire_end(&w);
}

void
auth_request_signed(const struct auth_request *r, struct bytes session_id, struct buf *data)
{
	wire_put_bytes(data, session_id);
	buf_put_u8(data, SSH_MSG_USERAUTH_REQUEST);
	wire_put_bytes(data, r->user);
	wire_put_bytes(data, r->service);
	wire_put_bytes(data, r->method);
	wire_put_bool(data, 1);
	wire_put_bytes(data, r->alg);
	wire_put_bytes(data, r->blob);
	if (r->hostbound)
		wire_put_bytes(data, r->host_key);
}

int
auth_request_password(struct bytes rest, int *change, struct bytes *password)
{
	struct wire w;

	wire_init(&w, rest.p, rest.len);
	*change = wire_bool(&w);
	*password = wire_string(&w);
	if (*change)
		(void)wire_string(&w);
	return wire_end(&w);
}

int
auth_name_ok(struct bytes s, size_t size)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return 0;
	return s.len > 0 && s.len < size;
}
