"""Automatic differentiation: second-order dual numbers, which carry a value with its gradient and Hessian.

A law is written once, as a function; its exact derivatives follow from it (forward mode, second order).

    a, alpha = (Dual.variable(theta[:, j, None], j) for j in range(2))
    z = a - alpha * ln_N        # z.value, z.first[j], z.second[j, k]

Derivatives that are zero are not stored, and derivatives that depend on no parameter keep the shape of the data. A term
that is linear in its parameters therefore costs no more than a derivative written out for it.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64] | float
Pair = tuple[int, int]


class Dual:
    """A value and its derivatives with respect to the parameters j: first[j], and second[j, k] for j <= k."""

    __slots__ = ("first", "second", "value")
    __array_ufunc__ = None  # numpy then leaves array * Dual to Dual.__rmul__

    def __init__(self, value: Array, first: Mapping[int, Array], second: Mapping[Pair, Array]) -> None:
        self.value, self.first, self.second = value, first, second

    @classmethod
    def variable(cls, value: Array, j: int) -> "Dual":
        """Return parameter j itself."""
        return cls(value, {j: 1.0}, {})

    def chain(self, value: Array, first: Array, second: Array) -> "Dual":
        """Return f(self) by the chain rule, given f, f' and f'' at self.value."""
        found = {pair: first * each for pair, each in self.second.items()}
        for j, k in _pairs(self.first):
            found[j, k] = found.get((j, k), 0.0) + second * (self.first[j] * self.first[k])
        return Dual(value, {j: first * each for j, each in self.first.items()}, found)

    def __add__(self, other: "Dual | Array") -> "Dual":
        if not isinstance(other, Dual):
            return Dual(self.value + other, self.first, self.second)
        return Dual(self.value + other.value, _sum(self.first, other.first), _sum(self.second, other.second))

    def __mul__(self, other: "Dual | Array") -> "Dual":
        if not isinstance(other, Dual):
            first = {j: each * other for j, each in self.first.items()}
            return Dual(self.value * other, first, {pair: each * other for pair, each in self.second.items()})
        both = sorted({*self.first, *other.first})
        mixed = {(j, k): _cross(self.first, other.first, j, k) for i, j in enumerate(both) for k in both[i:]}
        ours, theirs = self * other.value, other * self.value
        second = _sum(ours.second, theirs.second)
        return Dual(
            self.value * other.value,
            _sum(ours.first, theirs.first),
            _sum(second, {pair: each for pair, each in mixed.items() if each is not None}),
        )

    def __neg__(self) -> "Dual":
        return self * -1.0

    def __sub__(self, other: "Dual | Array") -> "Dual":
        return self + -other

    def __rsub__(self, other: Array) -> "Dual":
        return -self + other

    def __truediv__(self, other: "Dual | Array") -> "Dual":
        return self * (1.0 / other)

    def __rtruediv__(self, other: Array) -> "Dual":
        inverse = 1.0 / self.value
        return self.chain(inverse, -(inverse**2), 2 * inverse**3) * other

    __radd__ = __add__
    __rmul__ = __mul__


def exp(x: Any) -> Any:
    """Return e^x of an array or a Dual."""
    if not isinstance(x, Dual):
        return np.exp(x)
    value = np.exp(x.value)  # computed once: it is its own derivative
    return x.chain(value, value, value)


def log(x: Any) -> Any:
    """Return ln x of an array or a Dual."""
    return _function(x, np.log, lambda v: 1.0 / v, lambda v: -1.0 / v**2)


def expm1(x: Any) -> Any:
    """Return e^x - 1 of an array or a Dual, accurate near zero."""
    return _function(x, np.expm1, np.exp, np.exp)


def log_sum(x: Any, y: Any) -> Any:
    """Return ln(e^x + e^y) of two arrays or Duals."""
    shift = np.maximum(_value(x), _value(y))
    return log(exp(x - shift) + exp(y - shift)) + shift


def minimum(x: Any, y: Any) -> Any:
    """Return the smaller of two arrays or Duals, element by element, with its derivatives."""
    if not isinstance(x, Dual) and not isinstance(y, Dual):
        return np.minimum(x, y)
    smaller = np.less(_value(x), _value(y))
    return x * smaller + y * ~smaller


def _function(x: Any, value: Callable[..., Any], first: Callable[..., Any], second: Callable[..., Any]) -> Any:
    return x.chain(value(x.value), first(x.value), second(x.value)) if isinstance(x, Dual) else value(x)


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Dual) else x


def _pairs(first: Mapping[int, Array]) -> list[Pair]:
    keys = sorted(first)
    return [(j, k) for i, j in enumerate(keys) for k in keys[i:]]


def _sum(one: Mapping[Any, Array], other: Mapping[Any, Array]) -> dict[Any, Array]:
    return {key: _plus(one.get(key), other.get(key)) for key in {**one, **other}}


def _plus(one: Array | None, other: Array | None) -> Any:
    return other if one is None else one if other is None else one + other


def _cross(one: Mapping[int, Array], other: Mapping[int, Array], j: int, k: int) -> Any:
    """Return d_j one d_k other + d_k one d_j other; None if both products are zero."""
    left = one[j] * other[k] if j in one and k in other else None
    right = one[k] * other[j] if k in one and j in other else None
    return None if left is None and right is None else _plus(left, right)
