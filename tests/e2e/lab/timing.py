"""Whether two things take the same time, also on a busy machine."""

import statistics


def takes_as_long(one, other, share=0.25, rounds=30):
    """Call each in turn, until the shortest times of both, or the medians, differ by no more than a share.

    What else runs can only add to a time, so the shortest says what the thing itself takes, unless
    now and then a packet need not wait for an acknowledgement; and where there is a difference, no
    number of rounds lets either go.  Returns the shortest, in s; AssertionError after `rounds`.
    """
    times = ([], [])
    for turn in range(rounds):
        for call, taken in zip((one, other), times):
            taken.append(call())
        shortest, medians = ([f(taken) for taken in times] for f in (min, statistics.median))
        if turn >= 3 and any(max(t) <= (1 + share) * min(t) for t in (shortest, medians)):
            return shortest
    raise AssertionError(f"one takes longer than the other: {times}")


# Refusals of a login come at its own pace, 5 to 9 ms doubled until it is enough: what takes as long
# as something else may, with another login, take twice that.
PACE = 1.2
