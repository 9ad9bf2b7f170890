/*
 * SRV records (srv.h).  The C library asks the name servers and takes their answers apart; this runs in an errand,
 * which is confined.
 */
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "errand/srv.h"
#include "formats/destination.h"

#define SRV_ANSWER_MAX 16384
/* What is in front of the target: priority, weight, port. */
#define SRV_HEAD 6

int
srv_parse(const uint8_t *answer, size_t len, struct srv_target targets[SRV_MAX])
{
	char name[NS_MAXDNAME];
	struct srv_target *t;
	const uint8_t *p;
	int i, n = 0, none = 0;
	ns_msg msg;
	ns_rr rr;

	if (len > SRV_ANSWER_MAX || ns_initparse(answer, (int)len, &msg) != 0)
		return ERR_FORMAT;
	for (i = 0; i < ns_msg_count(msg, ns_s_an) && n < SRV_MAX; i++) {
		if (ns_parserr(&msg, ns_s_an, i, &rr) != 0)
			return ERR_FORMAT;
		if (ns_rr_type(rr) != ns_t_srv)
			continue; /* an alias on the way */
		p = ns_rr_rdata(rr);
		if (ns_rr_rdlen(rr) <= SRV_HEAD ||
		    dn_expand(ns_msg_base(msg), ns_msg_end(msg), p + SRV_HEAD, name, sizeof(name)) <
			0)
			return ERR_FORMAT;
		t = &targets[n];
		t->priority = ns_get16(p);
		t->weight = ns_get16(p + 2);
		t->port = ns_get16(p + 4);
		if (name[0] == '\0' || strcmp(name, ".") == 0) {
			none = 1;
			continue;
		}
		/* it goes into the log: no name but that of a host */
		if (!destination_host_ok(name) || t->port == 0)
			return ERR_FORMAT;
		snprintf(t->host, sizeof(t->host), "%.255s", name);
		n++;
	}
	return n == 0 && none ? ERR_NOTFOUND : n;
}

static int
srv_compare(const void *a, const void *b)
{
	const struct srv_target *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	/* those without a weight first, as the RFC has it: they are drawn all the same, seldom */
	return (x->weight > y->weight) - (x->weight < y->weight);
}

/* Draw one of n targets of one priority, to the front. */
static void
srv_draw(struct srv_target *v, size_t n, uint32_t (*draw)(uint32_t below))
{
	struct srv_target drawn;
	uint32_t sum = 0, at;
	size_t i;

	for (i = 0; i < n; i++)
		sum += v[i].weight;
	at = draw(sum + 1);
	for (i = 0, sum = v[0].weight; sum < at; sum += v[i].weight)
		i++;
	drawn = v[i];
	memmove(&v[1], &v[0], i * sizeof(v[0]));
	v[0] = drawn;
}

void
srv_order(struct srv_target *targets, size_t n, uint32_t (*draw)(uint32_t below))
{
	size_t i, end;

	if (n == 0)
		return;
	qsort(targets, n, sizeof(targets[0]), srv_compare);
	for (i = 0; i < n; i++) {
		for (end = i; end < n && targets[end].priority == targets[i].priority; end++)
			;
		srv_draw(&targets[i], end - i, draw);
	}
}

int
srv_lookup(const char *host, struct srv_target targets[SRV_MAX], struct reason *why)
{
	const char *before = why->text[0] != '\0' ? "; " : "";
	static uint8_t answer[SRV_ANSWER_MAX];
	char name[NS_MAXDNAME];
	int n;

	snprintf(name, sizeof(name), "_ssh._tcp.%s", host);
	n = res_search(name, ns_c_in, ns_t_srv, answer, sizeof(answer));
	if (n < 0 && (h_errno == HOST_NOT_FOUND || h_errno == NO_DATA))
		return 0;
	if (n < 0) {
		reason_add(why, "%s%s: %s", before, name, hstrerror(h_errno));
		return -1;
	}
	n = srv_parse(answer, n > SRV_ANSWER_MAX ? SRV_ANSWER_MAX : (size_t)n, targets);
	if (n < 0) {
		reason_add(why, "%s%s: %s", before, name,
		    n == ERR_NOTFOUND ? "there is no such service" :
					"the name server's answer is malformed");
		return -1;
	}
	srv_order(targets, (size_t)n, randombytes_uniform);
	return n;
}
