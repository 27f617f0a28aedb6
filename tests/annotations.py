"""The type checker that the import hook of tests/conftest.py applies to the package."""

import inspect
import typing

from beartype import BeartypeConf, beartype

_SELF = ("Self", typing.Self)
# An int is a float to Python's type checkers.
_NUMBERS = BeartypeConf(is_pep484_tower=True)


def checked(function):
    """beartype, with `Self` unchecked: jaxtyping hands over single methods, where beartype cannot know the class."""
    if inspect.isfunction(function):
        hints = function.__annotations__
        function.__annotations__ = {name: typing.Any if hint in _SELF else hint for name, hint in hints.items()}
    return beartype(conf=_NUMBERS)(function)
