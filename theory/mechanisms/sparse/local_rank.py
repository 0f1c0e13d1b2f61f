"""The rank of attention maps: a local window of softmax keeps it, a kernel with few features does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.masks import window
from theory.numerics import Array
from theory.papers import LIU_2024
from theory.validation import finite_array, integer, require


def kernel_map(queries: Float[Array, "n d"], keys: Float[Array, "n d"]) -> Float[Array, "n n"]:
    """phi(q_i) . phi(k_j) over its row sum, with the features phi(x) = elu(x) + 1 > 0: linear attention's weights."""
    features = [np.where(x > 0, x + 1.0, np.exp(np.minimum(x, 0.0))) for x in (queries, keys)]
    scores = features[0] @ features[1].T
    return scores / scores.sum(axis=-1, keepdims=True)


def least_local_rank(length: int, width: int) -> int:
    """n - (w - 1)/2, at least 1: the rank that a softmax map of a window cannot fall below, whatever its logits."""
    return max(1, length - (width - 1) // 2)


def rank(weights: Float[Array, "n n"]) -> int:
    """The number of singular values above 1e-10 of the largest."""
    sizes = np.linalg.svd(weights, compute_uv=False)
    return int(np.count_nonzero(sizes > 1e-10 * sizes[0]))


# ------------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """A map (n, n) that is said to have `features` features a token."""

    weights: Float[Array, "n n"]
    features: int


@dataclass(frozen=True, eq=False)
class KernelMap:
    """Kernel attention of n queries and keys with d features."""

    queries: Float[Array, "n d"]
    keys: Float[Array, "n d"]

    @property
    def weights(self) -> Float[Array, "n n"]:
        """Rows sum to 1."""
        return kernel_map(self.queries, self.keys)

    @property
    def features(self) -> int:
        """Features a token."""
        return self.keys.shape[1]


@dataclass(frozen=True, eq=False)
class LocalLogits:
    """Logits (n, n) of which the softmax sees an odd window."""

    logits: Float[Array, "n n"]
    width: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "logits", finite_array("logits", self.logits, (None, len(self.logits)), leading=False))
        integer("width", self.width, least=1)
        require(self.width % 2 == 1, f"the width must be odd, got {self.width}")

    @property
    def weights(self) -> Float[Array, "n n"]:
        """Rows sum to 1."""
        return softmax(self.logits, window(len(self.logits), self.width))


@dataclass(frozen=True, eq=False)
class UnwindowedLogits:
    """Logits (n, n) all of which the softmax sees, beside the width of a window that is not there."""

    logits: Float[Array, "n n"]
    width: int

    @property
    def weights(self) -> Float[Array, "n n"]:
        """Rows sum to 1."""
        return softmax(self.logits)


# --------------------------------------------------------------------------------------------------------------- claims


def _full_rank_map() -> tuple[AttentionMap]:
    return (AttentionMap(softmax(4.0 * np.eye(8)), features=3),)


@claim(
    statement="The map of kernel attention has at most as many dimensions as there are features.",
    source=LIU_2024,
    kind="inequality",
    tolerance=0.0,
    fails_without=_full_rank_map,
)
def kernel_attention_has_low_rank(case: KernelMap) -> float:
    return excess(rank(case.weights), case.features)


@claim(
    statement="""The softmax map of a window of w keys has rank at least n - (w - 1)/2 for all logits: the minor of its
    first rows and last columns is triangular, the product of the weights at the window's right edge.""",
    source=LIU_2024,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (UnwindowedLogits(np.zeros((5, 5)), 3),),
)
def local_softmax_keeps_its_rank(case: LocalLogits) -> float:
    """The logarithm of the minor against the sum of those of the edge; transposed, elimination has nothing to do."""
    size = least_local_rank(len(case.logits), case.width)
    reach = len(case.logits) - size
    sign, minor = np.linalg.slogdet(case.weights[:size, reach:].T)
    edge = np.log(np.diagonal(case.weights, reach)).sum()
    return relative_error(minor, edge, scale=1.0) if sign > 0 else np.inf


@claim(
    statement="A local softmax map has full rank.",
    source=LIU_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (LocalLogits(np.zeros((5, 5)), 3),),
)
def local_softmax_has_full_rank(case: LocalLogits) -> float:
    """The dimensions that are missing: (w - 1)/2 where the logits are equal and n = (w + 1)/2 modulo w."""
    return float(len(case.logits) - rank(case.weights))


@claim(
    statement="""No kernel attention with r features comes nearer to a local softmax map, in Frobenius norm, than the
    root of the sum of its squared singular values beyond the r-th.""",
    source=LIU_2024,
    kind="inequality",
    tolerance=1e-9,
)
def kernel_attention_misses_the_tail_of_a_local_map(kernel: KernelMap, local: LocalLogits) -> float:
    length = min(len(kernel.keys), len(local.logits))
    wanted = LocalLogits(local.logits[:length, :length], local.width).weights
    offered = kernel_map(kernel.queries[:length], kernel.keys[:length])
    tail = np.sqrt((np.linalg.svd(wanted, compute_uv=False)[kernel.features :] ** 2).sum())
    return excess(tail, np.linalg.norm(wanted - offered))
