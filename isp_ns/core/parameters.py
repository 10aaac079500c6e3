"""Parameters of stages: their types, ranges and defaults, read from signatures and checked before anything runs."""

import inspect
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

__all__ = ["Between", "Parameter", "parameter"]


@dataclass(frozen=True)
class Between:
    """The closed range of a number: `Annotated[float, Between(0, 1)]`."""

    low: float
    high: float


@dataclass(frozen=True)
class Parameter:
    """One keyword-only parameter of a stage."""

    name: str
    type: Any
    default: Any = inspect.Parameter.empty
    between: Between | None = None

    @property
    def required(self) -> bool:
        """Whether the parameter must be given."""
        return self.default is inspect.Parameter.empty

    @property
    def type_name(self) -> str:
        """The type as a person would write it."""
        return _name(self.type)

    def check(self, value: Any) -> Any:
        """`value` in the parameter's own type (lists become tuples, ints become floats).

        Raises:
            ValueError: with a sentence that says what the parameter takes.
        """
        try:
            result = _convert(value, self.type)
        except ValueError:
            raise ValueError(f"{self.name} takes {self.type_name}, not {value!r}") from None
        inside = self.between
        if inside and isinstance(result, int | float) and not inside.low <= result <= inside.high:
            raise ValueError(f"{self.name} lies between {inside.low} and {inside.high}, not at {value!r}")
        return result


def parameter(declared: inspect.Parameter, hint: Any) -> Parameter:
    """The `Parameter` that a keyword-only argument of a signature declares."""
    between = None
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        between = next((note for note in notes if isinstance(note, Between)), None)
    return Parameter(declared.name, hint, declared.default, between)


def _convert(value: Any, kind: Any) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _first(value, args)
    if origin is Literal:
        return _one_of(value, args)
    if origin is tuple:
        return _tuple(value, args)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is types.NoneType and value is None:
        return None
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, kind):
        raise ValueError
    return value


def _first(value: Any, kinds: tuple[Any, ...]) -> Any:
    for kind in kinds:
        try:
            return _convert(value, kind)
        except ValueError:
            continue
    raise ValueError


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise ValueError
    return value


def _tuple(value: Any, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ValueError
    return tuple(_convert(item, kind) for item, kind in zip(value, kinds, strict=True))


def _name(kind: Any) -> str:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(_name(arg) for arg in args)
    if origin is Literal:
        return "one of " + ", ".join(repr(arg) for arg in args)
    if origin is tuple:
        return "a list of " + ", ".join("..." if arg is Ellipsis else _name(arg) for arg in args)
    return "nothing" if kind is types.NoneType else getattr(kind, "__name__", str(kind))
