"""The one error that bad input raises, and what others say, for its messages."""

from __future__ import annotations


class ParameterError(ValueError):
    """A value from outside that cannot be used.

    The message is one line that names the field, the value and what is allowed; the command line prints it
    as it is and exits with code 2.

    Parameters
    ----------
    field
        Name of the parameter, option, dataset or file.
    value
        What was given.
    allowed
        What would have been accepted, as a phrase.
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        self.field = field
        self.value = value
        self.allowed = allowed
        super().__init__(f"{field}: got {value}; allowed: {allowed}")

    def __reduce__(self) -> tuple[type[ParameterError], tuple[str, object, str]]:
        """How it travels between processes: by its three parts, not by its message."""
        return ParameterError, (self.field, self.value, self.allowed)


def one_line(error: BaseException) -> str:
    """What an error says, in one line; if it says nothing, its name."""
    return " ".join(str(error).split()) or type(error).__name__
