/*
 * auth/agent_proto: the input is an agent's answer.  What is found in it lies in it.
 */
#include "formats/agent_proto.h"
#include "formats/pubkey.h"
#include "fuzz.h"

static int
inside(struct bytes s, const uint8_t *data, size_t len)
{
	return s.len == 0 || (s.p >= data && s.p + s.len <= data + len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes answer = { data, len }, first = { NULL, 0 }, sig;
	static struct agent_keys keys;
	size_t i;
	int r;

	r = agent_proto_keys(answer, first, &keys);
	CHECK(keys.n <= AGENT_PROTO_KEYS_MAX);
	for (i = 0; i < keys.n; i++)
		CHECK(inside(keys.v[i], data, len) && pubkey_check(keys.v[i]) == 0);
	if (r == 0 && keys.n > 0) {
		first = keys.v[keys.n - 1];
		CHECK(agent_proto_keys(answer, first, &keys) == 0);
		CHECK(bytes_equal(keys.v[0], first));
	}
	if (agent_proto_signature(answer, &sig) == 0)
		CHECK(inside(sig, data, len));
	return 0;
}
