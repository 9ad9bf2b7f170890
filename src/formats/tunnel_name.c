/*
 * Names of tunnels (tunnel_name.h).  lookup/ and keeper/ call it.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "formats/tunnel_name.h"

#define TUNNEL_NAME_ENDS "abcdefghijklmnopqrstuvwxyz0123456789"

/* Words that are read aloud easily; 32 of each. */
static const char *const tunnel_name_first[32] = { "amber", "brave", "bright", "brisk", "calm",
	"clear", "clever", "cosy", "crisp", "early", "fair", "fresh", "gentle", "glad", "golden",
	"green", "happy", "keen", "kind", "light", "lucky", "mild", "noble", "proud", "quick",
	"quiet", "rapid", "red", "silver", "sunny", "swift", "warm" };
static const char *const tunnel_name_second[32] = { "badger", "beaver", "bison", "crane", "deer",
	"dove", "eagle", "falcon", "finch", "fox", "gecko", "hare", "hawk", "heron", "horse",
	"ibis", "koala", "lark", "lion", "lynx", "marten", "moose", "otter", "owl", "panda",
	"raven", "robin", "seal", "stork", "swan", "tiger", "wren" };

int
tunnel_name_set(const char *text, char name[TUNNEL_NAME_SIZE])
{
	size_t len = strlen(text), i;

	if (len < 1 || len >= TUNNEL_NAME_SIZE)
		return ERR_FORMAT;
	for (i = 0; i <= len; i++)
		name[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
	if (strspn(name, TUNNEL_NAME_ENDS "._-") != len || strspn(name, TUNNEL_NAME_ENDS) == 0 ||
	    strspn(name + len - 1, TUNNEL_NAME_ENDS) == 0)
		return ERR_FORMAT;
	return 0;
}

int
tunnel_name_left_out(const char *address)
{
	static const char *const none[] = { "", "*", "localhost", "0.0.0.0", "127.0.0.1",
		"::", "::1", NULL };
	size_t i = 0;

	while (none[i] != NULL && strcasecmp(address, none[i]) != 0)
		i++;
	return none[i] != NULL;
}

const char *
tunnel_name_of_host(const char *host)
{
	const size_t len = sizeof(TUNNEL_HOST) - 1;

	return strncmp(host, TUNNEL_HOST, len) == 0 ? host + len : NULL;
}

int
tunnel_name_give(const char *pattern, uint64_t number, char name[TUNNEL_NAME_SIZE])
{
	char text[2 * TUNNEL_NAME_SIZE];
	size_t o = 0;
	int given = 0;

	for (; *pattern != '\0' && o < TUNNEL_NAME_SIZE; pattern++) {
		if (*pattern == '?') {
			text[o++] = (char)('0' + number / 7 % 10);
		} else if (*pattern != '*') {
			text[o++] = *pattern;
		} else if (!given) {
			given = 1;
			o += (size_t)snprintf(text + o, TUNNEL_NAME_SIZE, "%s-%s-%u",
			    tunnel_name_first[number % 32], tunnel_name_second[number / 32 % 32],
			    (unsigned int)(number / 1024 % 1000));
		}
	}
	text[o] = '\0';
	return *pattern != '\0' ? ERR_FORMAT : tunnel_name_set(text, name);
}
