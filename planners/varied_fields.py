"""The fields that a plan may set or vary, and how their values are written."""

import typing
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any

from planners.architecture.shape import CHOICES, LARGEST, Shape
from planners.matching.frame import MOE_STYLE, Geometry
from planners.records.errors import UsageError
from planners.records.quantity import parse_quantity
from planners.spec import Router, Training

CONCERNS = {
    "dense": ("style", "dense", "training"),
    "moe": ("style", "experts", "sizes", "router", "training"),
    "given": ("router", "training"),
}
"""Kind of arm -> kinds of field that affect it. The shape of a given arm is fixed."""
_MATCHED = (
    "d_model",
    "n_layers",
    "n_heads",
    "d_ff",
    "n_experts",
    "top_k",
    "d_expert",
    "d_shared",
    "vocab_size",
    "domains",
)
_DECIDED = ("D", "U", "seed", "init_from", "objective", "betas", "targets")


@dataclass(frozen=True, kw_only=True)
class Varied:
    """A field and its values. One value sets the field; several are crossed with the values of other fields.

    Raises UsageError for an unknown field and for a value that the field cannot have.
    """

    field: str
    """Name of the field, e.g. norm, router.renormalise, mu, weight_decay, dense.n_layers."""
    values: tuple[Any, ...]
    """Its values."""

    def __post_init__(self) -> None:
        hint = variable_field(self.field).type
        if not self.values or len(set(self.values)) < len(self.values):
            raise UsageError(f"{self.field} has no value, or the same value twice: {list(self.values)}")
        for value in self.values:
            known = CHOICES.get(self.field)
            if not _fits(value, hint) or (known and value not in known):
                wanted = f"one of {', '.join(known)}" if known else _words(hint)
                raise UsageError(f"{self.field} {_written(value)!r} is not {wanted}")


@dataclass(frozen=True, kw_only=True)
class VariableField:
    """A field that a plan can vary."""

    kind: str
    """style of all shapes, of experts alone; sizes of the MoE backbone, of the dense arm; router; or training."""
    name: str
    """Its name in its record: the name that the user writes, without `dense.` or `router.`."""
    type: Any
    """Type of its values."""


@cache
def variable() -> dict[str, VariableField]:
    """Return every field that can be varied, by the name that the user writes."""

    def fields(record: type, kind: str, names: Iterable[str], prefix: str = "") -> dict[str, VariableField]:
        types = typing.get_type_hints(record)
        return {prefix + name: VariableField(kind=kind, name=name, type=types[name]) for name in names}

    shape = [name for name in Shape.__dataclass_fields__ if name not in _MATCHED]
    return {
        **fields(Shape, "style", (name for name in shape if name not in MOE_STYLE)),
        **fields(Shape, "experts", MOE_STYLE),
        **fields(Geometry, "sizes", Geometry.__dataclass_fields__),
        **fields(Geometry, "dense", ("d_model", "n_layers", "n_heads", "zeta"), "dense."),
        **fields(Router, "router", (name for name in Router.__dataclass_fields__ if name != "domains"), "router."),
        **fields(Training, "training", (name for name in Training.__dataclass_fields__ if name not in _DECIDED)),
        "recipe": VariableField(kind="training", name="recipe", type=str),
    }


def variable_field(name: str) -> VariableField:
    """Return the field that the user calls `name`. Raises UsageError that lists the known ones."""
    if name not in variable():
        raise UsageError(f"{name!r} is not a field that a plan can vary; these are {', '.join(variable())}")
    return variable()[name]


def parse_varied(text: str, flag: str = "--vary") -> Varied:
    """Return the field and values of FIELD=a,b,c: numbers, true or false, none, or words, by the type of the field."""
    field, equals, values = text.partition("=")
    if not equals or not values:
        raise UsageError(f"{flag} {text!r} is not FIELD=VALUE,VALUE…")
    hint = variable_field(field).type
    return Varied(
        field=field, values=tuple(_parsed(item.strip(), hint, f"{flag} {field}") for item in values.split(","))
    )


def label(field: str, value: Any) -> str:
    """Return a varied value as the label of an arm shows it."""
    return f"{field}={_written(value)}"


def _written(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _parsed(text: str, hint: Any, name: str) -> Any:
    kinds = typing.get_args(hint) or (hint,)
    if text in ("none", "null") and NoneType in kinds:
        return None
    if bool in kinds:
        return {"true": True, "false": False}.get(text, text)
    if str in kinds:
        return text
    number = parse_quantity(text, name, zero=True)
    if int in kinds and number > LARGEST:
        raise UsageError(f"{name} {text!r} is too large; the largest is {LARGEST:,}")
    return int(number) if int in kinds and number.is_integer() else number


def _fits(value: Any, hint: Any) -> bool:
    kinds = typing.get_args(hint) or (hint,)
    return type(value) in kinds or (type(value) is int and float in kinds)


def _words(hint: Any) -> str:
    kinds = typing.get_args(hint) or (hint,)
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", NoneType: "none"}
    return " or ".join(names[kind] for kind in kinds)
