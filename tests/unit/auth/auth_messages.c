#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth_messages.h"
#include "wire/ssh.h"

void
put_failure(struct buf *b, const char *methods, int partial)
{
	buf_reset(b);
	buf_put_u8(b, SSH_MSG_USERAUTH_FAILURE);
	wire_put_text(b, methods);
	wire_put_bool(b, partial);
}

struct bytes
sent_request(const struct buf *out, const char *method, struct wire *w)
{
	struct bytes m;

	wire_init(w, out->data, out->len);
	m = wire_string(w);
	assert_int_equal(wire_end(w), 0);
	wire_init(w, m.p, m.len);
	assert_int_equal(wire_u8(w), SSH_MSG_USERAUTH_REQUEST);
	assert_true(bytes_is(wire_string(w), "ubuntu"));
	assert_true(bytes_is(wire_string(w), "ssh-connection"));
	assert_true(bytes_is(wire_string(w), method));
	return m;
}
