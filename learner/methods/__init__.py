"""Ways of learning beyond the plain loop: one file a method, all of them off until asked for."""

import inspect
from collections.abc import Mapping

import learner.methods as files
from learner.methods.base import Method
from scheduler.discover import implementations, named
from scheduler.errors import InvalidInput

Options = Mapping[str, float]


def methods() -> dict[str, type[Method]]:
    """Every method that the files of this folder define, by file name."""
    return implementations(files, Method)  # type: ignore[type-abstract]


def method_named(name: str, options: Options | None = None) -> Method:
    """The method of that name with these options, the others as they are by default.

    Raises NotFound with the names that exist, InvalidInput for an option that it does not have.
    """
    kind, given = named(name, methods(), "method"), dict(options or {})
    known = list(inspect.signature(kind).parameters)
    for option in given:
        if option not in known:
            raise InvalidInput(
                f"The method {name} has no option {option!r}; it has {', '.join(known) or 'none'}."
            )
    return kind(**given)


def asked(texts: list[str]) -> dict[str, dict[str, float]]:
    """Methods as a command names them: `adversarial`, or with options `adversarial:size=0.5`.

    Raises InvalidInput for an option that is no number.
    """
    return dict(_asked(text) for text in texts)


def _asked(text: str) -> tuple[str, dict[str, float]]:
    name, _, rest = text.partition(":")
    options = {}
    for option in filter(None, rest.split(",")):
        key, _, value = option.partition("=")
        try:
            options[key.strip()] = float(value)
        except ValueError as error:
            raise InvalidInput(
                f"An option of a method is NAME=NUMBER, found {option!r} for {name}; "
                f"write for example {name}:{key.strip() or 'size'}=0.5."
            ) from error
    return name.strip(), options
