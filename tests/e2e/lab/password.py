"""A password that the gateway checks."""

PASSWORD = "a pass; phrase # with = all ☂"


def with_password(gated, hashed, front=None, **route):
    """A way whose route has this PasswordHash."""
    words = {"PasswordHash": hashed}
    words.update(route)
    return gated(front=front or {}, route=words)
