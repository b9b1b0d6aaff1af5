"""The one exception of the runtime."""


class RuntimeFault(Exception):
    """Something outside the program is in the way; the message is one line that says what to do about it."""
