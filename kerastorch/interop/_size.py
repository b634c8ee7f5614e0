"""Sizes that are not the same for every input: polynomials of them, and numbers that follow from them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import torch

from ._reads import READS, Node, Read

BATCH = "batch"
# A symbol is a name, or (operation, expression, expression) for what is no polynomial.
Terms = dict[tuple[Any, ...], int]
# torch's own functions take these where they take an int or a float; every operation of theirs is defined anew.
_SymInt: Any = torch.SymInt
_SymFloat: Any = torch.SymFloat
_Beside: Any = object  # what stands beside one of them in a class


def _read(item: Any, what: str, holds: Callable[[dict[str, int]], bool] | None = None) -> None:
    reads = READS.get()
    if reads is not None:
        reads.append(Read(frozenset(item.symbols()), what, reads.line(), holds))


def _compared(sign: str, function: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(self: Any, other: Any) -> bool:
        if isinstance(other, torch.Tensor) or not isinstance(other, (int, float, Size, Ratio)):
            return NotImplemented
        outcome = function(self.value, plain(other))
        difference = self - other
        if not isinstance(difference, (Size, Ratio)):
            return function(difference, 0)
        if isinstance(difference, Size):
            least, most = difference.bounds()
            if least is not None and least >= 1:
                return function(1, 0)
            if least == 0 and sign in ("<", ">="):
                return function(1, 0)
            if most is not None and most <= -1:
                return function(-1, 0)
        _read(
            difference,
            f"it is compared, {self} {sign} {other}",
            lambda sizes: function(evaluated(self, sizes), evaluated(other, sizes)),
        )
        return outcome

    return compare


def _as_number(kind: type) -> Callable[[Any], Any]:
    def number(self: Any) -> Any:
        _read(self, "it is read as a plain number (range, int, len, a product of lists, ...)")
        return kind(self.value)

    return number


def _by_number(function: Callable[[Any, Any], Any], swapped: bool = False) -> Callable[[Any, Any], Any]:
    def computed(self: Any, other: Any) -> Any:
        left, right = (int(self), int(other))
        return function(right, left) if swapped else function(left, right)

    return computed


def _text(self: Any, *spec: Any) -> str:
    return format(self.value, *spec)


class _Number(_Beside):
    """What a size and a ratio have in common: what Python asks of them is written down."""

    value: Any

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __hash__(self) -> int:
        return hash(self.value)

    def __bool__(self) -> bool:
        return self != 0

    __eq__, __ne__ = _compared("==", operator.eq), _compared("!=", operator.ne)
    __lt__, __le__ = _compared("<", operator.lt), _compared("<=", operator.le)
    __gt__, __ge__ = _compared(">", operator.gt), _compared(">=", operator.ge)


class Size(_Number, _SymInt):
    """A size that is not the same for every input: the batch size, an unknown number of steps, what follows from them.

    A polynomial of sizes. Whatever Python does with it as a plain number is written down: a model that such a number
    decides on is right for the example alone.

    Attributes:
        value: In the example.
        terms: The factor of each product of symbols.
    """

    def __init__(self, value: int, terms: Terms) -> None:
        super().__init__(Node(self))
        self.value = value
        self.terms = terms

    def symbols(self) -> set[str]:
        return {name for product in self.terms for symbol in product for name in _names(symbol)}

    def bounds(self) -> tuple[int | None, int | None]:
        """The least and the greatest that it can be, as every size is at least 1."""
        factors = [factor for product, factor in self.terms.items() if product]
        plain_part = self.terms.get((), 0)
        composed = any(not isinstance(symbol, str) for product in self.terms for symbol in product)
        total = plain_part + (0 if composed else sum(factors))
        return (total if min(factors) > 0 else None, total if max(factors) < 0 else None)

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, (int, Size)):
            return _ratio("+", self, other)
        terms = dict(self.terms)
        for key, factor in _terms(other).items():
            terms[key] = terms.get(key, 0) + factor
        return _made(self.value + plain(other), terms)

    __radd__ = __add__

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, (int, Size)):
            return _ratio("*", self, other)
        terms: Terms = {}
        for one, factor in self.terms.items():
            for two, more in _terms(other).items():
                key = tuple(sorted(one + two, key=repr))
                terms[key] = terms.get(key, 0) + factor * more
        return _made(self.value * plain(other), terms)

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return self * -1

    def __pos__(self) -> Any:
        return self

    def __sub__(self, other: Any) -> Any:
        return self + -other if isinstance(other, (int, Size)) else _ratio("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return -self + other if isinstance(other, int) else _ratio("-", other, self)

    def __floordiv__(self, other: Any) -> Any:
        if not isinstance(other, (int, Size)):
            return _ratio("//", self, other)
        divided = _divided(self.terms, _terms(other))
        if divided is not None:
            return _made(self.value // plain(other), divided)
        return _composed("//", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _composed("//", other, self) if isinstance(other, int) else _ratio("//", other, self)

    def __mod__(self, other: Any) -> Any:
        if isinstance(other, (int, Size)):
            return 0 if _divided(self.terms, _terms(other)) is not None else _composed("%", self, other)
        return _ratio("%", self, other)

    def __rmod__(self, other: Any) -> Any:
        return _composed("%", other, self) if isinstance(other, int) else _ratio("%", other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int) and not isinstance(other, bool) and 0 < other < 9:
            result: Any = 1
            for _ in range(other):
                result = self * result
            return result
        return _ratio("**", self, other)

    __truediv__ = lambda self, other: _ratio("/", self, other)  # noqa: E731
    __rtruediv__ = lambda self, other: _ratio("/", other, self)  # noqa: E731
    __rpow__ = lambda self, other: _ratio("**", other, self)  # noqa: E731
    __floor__ = __ceil__ = __trunc__ = __pos__

    def __round__(self, digits: int | None = None) -> Any:
        return self

    __int__, __index__, __float__ = _as_number(int), _as_number(int), _as_number(float)
    __and__ = __rand__ = _by_number(operator.and_)
    __or__ = __ror__ = _by_number(operator.or_)
    __xor__ = __rxor__ = _by_number(operator.xor)
    __lshift__, __rshift__ = _by_number(operator.lshift), _by_number(operator.rshift)
    __rlshift__, __rrshift__ = _by_number(operator.lshift, True), _by_number(operator.rshift, True)
    __repr__ = __str__ = __format__ = _text

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        import numpy as np

        return np.array(int(self), dtype)

    def bit_length(self) -> int:
        return int(self).bit_length()


_RATIOS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow,
}  # fmt: skip


class Ratio(_Number, _SymFloat):
    """A number that follows from sizes and is none: `1 / T`, `T ** 0.5`.

    Attributes:
        value: In the example.
        operation: A sign of Python's.
        operands: Its two numbers, sizes or ratios.
    """

    def __init__(self, value: float, operation: str, operands: tuple[Any, Any]) -> None:
        super().__init__(Node(self))
        self.value, self.operation, self.operands = value, operation, operands

    def symbols(self) -> set[str]:
        return {name for part in self.operands if isinstance(part, (Size, Ratio)) for name in part.symbols()}

    __add__ = lambda self, other: _ratio("+", self, other)  # noqa: E731
    __radd__ = lambda self, other: _ratio("+", other, self)  # noqa: E731
    __sub__ = lambda self, other: _ratio("-", self, other)  # noqa: E731
    __rsub__ = lambda self, other: _ratio("-", other, self)  # noqa: E731
    __mul__ = lambda self, other: _ratio("*", self, other)  # noqa: E731
    __rmul__ = lambda self, other: _ratio("*", other, self)  # noqa: E731
    __truediv__ = lambda self, other: _ratio("/", self, other)  # noqa: E731
    __rtruediv__ = lambda self, other: _ratio("/", other, self)  # noqa: E731
    __floordiv__ = lambda self, other: _ratio("//", self, other)  # noqa: E731
    __rfloordiv__ = lambda self, other: _ratio("//", other, self)  # noqa: E731
    __mod__ = lambda self, other: _ratio("%", self, other)  # noqa: E731
    __rmod__ = lambda self, other: _ratio("%", other, self)  # noqa: E731
    __pow__ = lambda self, other: _ratio("**", self, other)  # noqa: E731
    __rpow__ = lambda self, other: _ratio("**", other, self)  # noqa: E731

    def __neg__(self) -> Any:
        return self * -1

    def __pos__(self) -> Any:
        return self

    def __round__(self, digits: int | None = None) -> Any:
        return round(float(self), digits)

    __int__ = __trunc__ = _as_number(int)
    __float__ = _as_number(float)
    __floor__ = lambda self: float(self).__floor__()  # noqa: E731
    __ceil__ = lambda self: float(self).__ceil__()  # noqa: E731
    __repr__ = __str__ = __format__ = _text


def plain(item: Any) -> Any:
    """The number of the example, for torch itself; sizes stay unread."""
    if isinstance(item, (Size, Ratio)):
        return item.value
    if isinstance(item, torch.Size):
        return tuple(map(plain, item))
    if isinstance(item, slice):
        return slice(plain(item.start), plain(item.stop), plain(item.step))
    if type(item) in (list, tuple):
        return type(item)(map(plain, item))
    if type(item) is dict:
        return {key: plain(value) for key, value in item.items()}
    return item


def read_as_numbers(item: Any) -> Any:
    """The number of the example where a size is asked for as a number; that is written down."""
    if isinstance(item, (Size, Ratio)):
        return int(item) if isinstance(item, Size) else float(item)
    if isinstance(item, slice):
        return slice(*map(read_as_numbers, (item.start, item.stop, item.step)))
    if isinstance(item, (list, tuple)):
        numbers = map(read_as_numbers, item)
        return list(numbers) if isinstance(item, list) else tuple(numbers)
    return {key: read_as_numbers(value) for key, value in item.items()} if isinstance(item, dict) else item


def from_the_end(index: Any, size: Any) -> Any:
    """An index as the model can have it: T - 1 is -1, a place or None for T in `bound`; else it is read."""
    if not unknown(index):
        return index
    less = index - size
    return less if isinstance(less, int) and less < 0 else int(index)


def symbol(name: str, value: int) -> Size:
    """The size of this name."""
    return Size(value, {(name,): 1})


def unknown(size: Any) -> bool:
    """Whether it is not the same for every input."""
    return isinstance(size, (Size, Ratio))


def has_batch(size: Any) -> bool:
    return unknown(size) and BATCH in size.symbols()


def same(one: Any, other: Any) -> bool:
    """Whether both are equal for every input."""
    return _terms(one) == _terms(other)


def product(sizes: Iterable[Any]) -> Any:
    result: Any = 1
    for size in sizes:
        result = result * size
    return result


def per_batch(size: Any, batch: int) -> Any:
    """How many of these come on one row of a batch of this size in the example; None if the batch is no factor."""
    divided = _divided(_terms(size), {(BATCH,): 1})
    return None if divided is None else _made(plain(size) // batch, divided)


def evaluated(item: Any, sizes: dict[str, int]) -> Any:
    """The number for other sizes."""
    if isinstance(item, Ratio):
        one, other = (evaluated(part, sizes) for part in item.operands)
        return _RATIOS[item.operation](one, other)
    return _evaluated(item.terms, sizes) if isinstance(item, Size) else item


def _evaluated(terms: Terms, sizes: dict[str, int]) -> int:
    total = 0
    for names, factor in terms.items():
        for name in names:
            if isinstance(name, str):
                factor *= sizes[name]
            else:
                sign, one, other = name
                factor *= _RATIOS[sign](_evaluated(dict(one), sizes), _evaluated(dict(other), sizes))
        total += factor
    return total


def _terms(size: Any) -> Terms:
    return size.terms if isinstance(size, Size) else {(): int(size)} if size else {}


def _made(value: int, terms: Terms) -> Any:
    left = {key: factor for key, factor in terms.items() if factor}
    return Size(value, left) if set(left) - {()} else value


def _composed(sign: str, one: Any, other: Any) -> Size:
    key = (sign, *(tuple(sorted(_terms(part).items(), key=repr)) for part in (one, other)))
    return Size(_RATIOS[sign](plain(one), plain(other)), {(key,): 1})


def _divided(terms: Terms, by: Terms) -> Terms | None:
    """The quotient, where it has no rest."""
    if len(by) != 1:
        return {(): 1} if terms == by else None
    ((names, divisor),) = by.items()
    result: Terms = {}
    for key, factor in terms.items():
        rest = list(key)
        for name in names:
            if name not in rest:
                return None
            rest.remove(name)
        if factor % divisor:
            return None
        result[tuple(rest)] = factor // divisor
    return result


def _ratio(sign: str, one: Any, other: Any) -> Any:
    if not all(isinstance(part, (int, float, Size, Ratio)) for part in (one, other)):
        return NotImplemented
    return Ratio(float(_RATIOS[sign](plain(one), plain(other))), sign, (one, other))


def _names(item: Any) -> set[str]:
    """The sizes in a symbol."""
    if isinstance(item, str):
        return {item}
    _, one, other = item
    return {name for part in (one, other) for key, _ in part for inner in key for name in _names(inner)}
