"""Counting the multiplications that a computation really makes, against the cost that its formula states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_UNSEEN = {
    "einsum",
    "dot",
    "tensordot",
    "inner",
    "outer",
    "vdot",
    "kron",
    "convolve",
}  # they would slip past the ufuncs


class Counted(np.ndarray):
    """An array whose products are counted: m k n for a matrix product, one an entry for `*`, `N log2 N` for an FFT."""

    tally: list[int]

    @classmethod
    def of(cls, array: Any, tally: list[int]) -> Counted:
        """`array` with its products added to `tally[0]`."""
        made = np.asarray(array).view(cls)
        made.tally = tally
        return made

    def __array_finalize__(self, other: Any) -> None:
        self.tally = getattr(other, "tally", [0])

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        result = getattr(ufunc, method)(*map(_plain, inputs), **{k: _plain(v) for k, v in options.items()})
        if method == "__call__" and ufunc is np.matmul:
            self.tally[0] += np.size(result) * np.shape(inputs[0])[-1]
        elif method == "__call__" and ufunc is np.multiply:
            self.tally[0] += np.size(result)
        return Counted.of(result, self.tally)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        if function.__name__ in _UNSEEN:
            raise TypeError(f"a counted computation must use @ and *, got {function.__name__}")
        result = super().__array_function__(function, types, arguments, options)
        if function.__module__ == "numpy.fft":
            axis, shape = options.get("axis", -1), np.shape(arguments[0])
            length = options.get("n") or max(shape[axis], np.shape(result)[axis])
            self.tally[0] += int(np.prod(shape) // shape[axis] * length * np.log2(length))
        return Counted.of(result, self.tally) if isinstance(result, np.ndarray) else result


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return np.asarray(value) if isinstance(value, Counted) else value


def multiplications(computation: Callable[..., Any], *arrays: Any) -> int:
    """How many scalar multiplications `computation(*arrays)` makes in `@`, `*` and FFTs; exponentials are free."""
    tally = [0]
    computation(*(Counted.of(a, tally) for a in arrays))
    return tally[0]
