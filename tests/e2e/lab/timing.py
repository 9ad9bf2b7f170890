"""Whether two operations take the same time, also on a busy host."""

import statistics


def takes_as_long(one, other, share=0.25, rounds=30):
    """Call each in turn, until the shortest times of both, or the medians, differ by no more than a share.

    Other load can only add to a time, so the shortest one is that of the operation itself, except that a
    packet sometimes need not wait for an acknowledgement; and where there is a real difference, neither
    figure agrees after any number of rounds.  Returns the shortest times, in s; AssertionError after
    `rounds`.
    """
    times = ([], [])
    for turn in range(rounds):
        for call, taken in zip((one, other), times):
            taken.append(call())
        shortest, medians = ([f(taken) for taken in times] for f in (min, statistics.median))
        if turn >= 3 and any(max(t) <= (1 + share) * min(t) for t in (shortest, medians)):
            return shortest
    raise AssertionError(f"one takes longer than the other: {times}")


# Each login refuses at a pace of its own, 5 to 9 ms doubled until it is long enough: the same operation may
# take twice as long with another login.
PACE = 1.2
