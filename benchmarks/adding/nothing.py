"""The work of the tasks that measure what is added to work."""


def nothing(*_: object) -> None:
    """Nothing."""
