/*
 * session/agent_channel: the input is a row of messages of the client, a byte of length
 * before each; a length of 255 is another request.
 */
#include "fuzz.h"
#include "session/agentfwd_channel.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t request[40000] = { 13 };
	enum agent_channel_event event = AGENT_CHANNEL_NOTHING;
	struct agent_channel c;
	struct bytes m;
	struct wire w;
	struct buf out;
	uint8_t n;

	agent_channel_init(&c, 0x7fff0001);
	buf_init(&out, 1 << 20);
	agent_channel_open(&c, &out);
	wire_init(&w, data, len);
	while (w.left > 0 && event != AGENT_CHANNEL_GARBLED) {
		buf_reset(&out);
		n = wire_u8(&w);
		if (n == 255) {
			if (c.state == AGENT_CHANNEL_OPEN && !c.asked)
				agent_channel_request(&c,
				    (struct bytes){ request,
					w.left < sizeof(request) ? w.left : 1 },
				    &out);
			continue;
		}
		m = wire_bytes(&w, n < w.left ? n : w.left);
		if (m.len == 0)
			continue;
		event = agent_channel_message(&c, m.p, m.len, &out);
		CHECK(buf_err(&out) == 0);
		if (event == AGENT_CHANNEL_ANSWER)
			CHECK(!c.asked && agent_channel_answer(&c).len > 0 &&
			    agent_channel_answer(&c).len <= AGENT_ANSWER_MAX);
	}
	agent_channel_free(&c);
	buf_free(&out);
	return 0;
}
