"""A kernel times activations, convolved with activations: what it does that no fixed operator can.

All sequences live on a circle of n tokens; (a * b)_t = sum_s a_s b_{t-s}.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import ZHANG_2024_HYPERZZW
from theory.validation import finite_array, probability_rows, require


def circulant(kernel: ArrayLike) -> Float[Array, "n n"]:
    """The matrix of circular convolution with `kernel` (n,): entry (i, j) is kernel_{i-j}."""
    kernel = np.asarray(kernel)
    steps = np.arange(kernel.shape[-1])
    return kernel[np.subtract.outer(steps, steps) % len(steps)]


def hyper_convolution(
    kernel: Float[Array, " n"], gate: Float[Array, " n"], x: Float[Array, " n"]
) -> Float[Array, " n"]:
    """(K . gate) * x: the kernel is multiplied by the context entry by entry, then convolved with x. Dense."""
    return circulant(kernel * gate) @ x


def hyper_convolution_fft(
    kernel: Float[Array, " n"], gate: Float[Array, " n"], x: Float[Array, " n"]
) -> Float[Array, " n"]:
    """The same by three Fourier transforms."""
    return np.fft.ifft(np.fft.fft(kernel * gate) * np.fft.fft(x)).real


def dense_multiplications(length: int) -> int:
    """n^2 + n."""
    return length**2 + length


def fft_multiplications(length: int) -> int:
    """3 n log2 n + 2 n, an FFT counted as n log2 n; length a power of 2."""
    return 3 * length * (length.bit_length() - 1) + 2 * length


def self_jacobian(kernel: ArrayLike, z: ArrayLike) -> Float[Array, "n n"]:
    """J_ij = (K_j + K_{i-j}) z_{i-j}: how (K . z) * z at i answers to z_j. Linear in z."""
    kernel = np.asarray(kernel, dtype=np.float64)
    return (kernel[None, :] + circulant(kernel)) * circulant(z)


def static_operator_error(operator: ArrayLike, shares: ArrayLike) -> float:
    """sum_p pi_p |S_p - A|_F^2 / n: error a token of a fixed operator A (n, n) for the shift by p that comes with
    probability pi_p, on white inputs of variance 1.
    """
    operator, shares = np.asarray(operator, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    shifts = np.eye(len(shares))
    errors = [((circulant(shift) - operator) ** 2).sum() for shift in shifts]
    return float(shares @ errors / len(shares))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class ShiftTask:
    """Shifts of n >= 2 tokens with probabilities (n,) and a fixed operator (n, n)."""

    operator: Float[Array, "n n"]
    shares: Float[Array, " n"]

    def __post_init__(self) -> None:
        shares = probability_rows("shares", self.shares, (None,), leading=False)
        n = len(shares)
        require(n >= 2, f"there must be at least 2 tokens, got {n}")
        object.__setattr__(self, "shares", shares)
        object.__setattr__(self, "operator", finite_array("operator", self.operator, (n, n), leading=False))


@dataclass(frozen=True, eq=False)
class UniformShiftTask(ShiftTask):
    """Hypothesis: all shifts are equally likely."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(np.ptp(self.shares) == 0, f"the shifts must be equally likely, got {self.shares}")


@dataclass(frozen=True, eq=False)
class KernelAndContext:
    """A kernel, a context and an input of n tokens each, none of them all zero."""

    kernel: Float[Array, " n"]
    context: Float[Array, " n"]
    x: Float[Array, " n"]

    def __post_init__(self) -> None:
        for name in ("kernel", "context", "x"):
            array = finite_array(name, getattr(self, name), (len(self.kernel),), leading=False)
            require(array.any(), f"{name} must not be all zero")
            object.__setattr__(self, name, array)


# ---------------------------------------------------------------------------------------------------------- claims


def _one_shift() -> tuple[ShiftTask]:
    """Always the same shift: the operator is that shift."""
    return (ShiftTask(circulant(np.eye(4)[1]), np.eye(4)[1]),)


@claim(
    statement="""If white tokens are to be shifted on a circle by a number of places that the data tell, and all n
    numbers are equally likely, any fixed linear operator errs by at least 1 - 1/n a token; the mean of the shifts
    attains it.""",
    source=ZHANG_2024_HYPERZZW,
    kind="inequality",
    tolerance=1e-12,
    fails_without=_one_shift,
)
def static_operator_cannot_shift_by_data(case: UniformShiftTask) -> float:
    return excess(1.0 - 1.0 / len(case.shares), static_operator_error(case.operator, case.shares))


@claim(
    statement="""If the shift by p has probability pi_p, any fixed linear operator errs by 1 - sum pi_p^2 a token plus
    its squared distance to the mean shift, a convolution with pi.""",
    source=ZHANG_2024_HYPERZZW,
    kind="identity",
    tolerance=1e-12,
)
def static_operator_error_splits(case: ShiftTask) -> float:
    n = len(case.shares)
    split = 1.0 - (case.shares**2).sum() + ((circulant(case.shares) - case.operator) ** 2).sum() / n
    return relative_error(static_operator_error(case.operator, case.shares), split)


@claim(
    statement="""A kernel times a one-hot marker at p, convolved with x, is K_p times x shifted by p: the data choose
    the shift, exactly.""",
    source=ZHANG_2024_HYPERZZW,
    kind="identity",
    tolerance=1e-12,
)
def product_kernel_shifts_by_data(case: KernelAndContext) -> float:
    markers = np.eye(len(case.x))
    found = np.array([hyper_convolution(case.kernel, marker, case.x) for marker in markers])
    wanted = np.array([case.kernel[p] * np.roll(case.x, p) for p in range(len(case.x))])
    return relative_error(found, wanted)


@claim(
    statement="A kernel times a context, convolved with x, is what three Fourier transforms give.",
    source=ZHANG_2024_HYPERZZW,
    kind="identity",
    tolerance=1e-12,
)
def fourier_form_of_the_product_kernel(case: KernelAndContext) -> float:
    fast = hyper_convolution_fft(case.kernel, case.context, case.x)
    size = float(np.linalg.norm(case.kernel * case.context) * np.linalg.norm(case.x))
    return relative_error(fast, hyper_convolution(case.kernel, case.context, case.x), scale=size)


def _three_tokens() -> Iterator[Any]:
    """The derivative of every output in every token, n = 3."""
    import sympy as sp

    kernel, z = sp.symbols("K:3"), sp.symbols("z:3")
    for i in range(3):
        output = sum(kernel[s] * z[s] * z[(i - s) % 3] for s in range(3))
        for j in range(3):
            yield sp.diff(output, z[j]) - (kernel[j] + kernel[(i - j) % 3]) * z[(i - j) % 3]


@claim(
    statement="""The answer of (K . z) * z at i to z_j is (K_j + K_{i-j}) z_{i-j}: linear in z, and zero for no pair of
    tokens unless the kernel or an activation makes it so.""",
    source=ZHANG_2024_HYPERZZW,
    kind="identity",
    tolerance=1e-12,
    symbolic=_three_tokens,
)
def self_jacobian_is_linear(case: KernelAndContext) -> float:
    """Against central differences of step 1, which are exact for a quadratic form."""
    z, steps = case.x, np.eye(len(case.x))
    after = np.array([hyper_convolution(case.kernel, z + e, z + e) for e in steps])
    before = np.array([hyper_convolution(case.kernel, z - e, z - e) for e in steps])
    size = float(np.abs(case.kernel).max() * max(1.0, np.abs(z).max()) ** 2)
    return relative_error((after - before).T / 2.0, self_jacobian(case.kernel, z), scale=size)


@claim(
    statement="Every token answers to every other in one layer, whatever the kernel.",
    source=ZHANG_2024_HYPERZZW,
    kind="refuted",
    tolerance=0.5,
    counterexample=lambda: (KernelAndContext(np.array([0.0, 1.0, -1.0]), np.ones(3), np.array([1.0, 2.0, 4.0])),),
)
def any_kernel_gives_full_context(case: KernelAndContext) -> float:
    """The largest share of tokens that one token does not answer to: all of them, at the origin of an odd kernel."""
    return float((self_jacobian(case.kernel, case.x) == 0).mean(axis=1).max())
