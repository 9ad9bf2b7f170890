/*
 * The values of PerSourceNetBlockSize, PerSourcePenalties and PerSourcePenaltyExemptList, as in
 * sshd_config(5).
 */
#ifndef CONF_PERSOURCE_H
#define CONF_PERSOURCE_H

#include "base/reason.h"
#include "conf/keyword.h"

extern const struct keyword_type persource_net_block; /* int[2]: bits of IPv4, of IPv6 */
extern const struct keyword_type persource_penalties; /* struct conf_penalties */

/* Is this a list of addresses, as PerSourcePenaltyExemptList has it?  0, or ERR_FORMAT with why. */
int persource_check_exempt(const char *list, struct reason *why);

#endif
