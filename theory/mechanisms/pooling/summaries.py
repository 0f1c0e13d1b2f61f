"""Tasks that share a softmax or keep separate pathways, and summaries that stand for many patch tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logsumexp

from theory.attention import attend, softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Logits
from theory.mechanisms.pooling.objects import Pixels, object_attention, pooled_objects, pooling_error_bound
from theory.numerics import Array, diameter
from theory.papers import DE_MIN_2024, FANG_2024
from theory.validation import finite_array, integer


def disturbance(own: ArrayLike, other: ArrayLike) -> float:
    """sig(lse_2 - lse_1): the weight that keys with logits `other` take from those with logits `own` in one softmax."""
    return float(expit(logsumexp(other) - logsumexp(own)))


def summarised_attention(
    query: ArrayLike, keys: ArrayLike, values: ArrayLike, cluster_of: ArrayLike, *, count: bool = True
) -> Float[Array, " v"]:
    """Attention of one query (d,) over mean keys and mean values of clusters, each with its log count."""
    query, keys = np.asarray(query, dtype=np.float64), np.asarray(keys, dtype=np.float64)
    _, sizes, mean_keys = pooled_objects(np.zeros(len(keys)), keys, cluster_of)
    mean_values = pooled_objects(np.zeros(len(keys)), values, cluster_of)[2]
    return object_attention(mean_keys @ query, sizes, mean_values, count=count)


def pathway(
    summary_queries: Float[Array, "m d"], patches: Float[Array, "n d"], prompts: Float[Array, "p d"]
) -> Float[Array, "k d"]:
    """One task's pathway: m summaries attend to the patches, then summaries and the task's p prompts to each other."""
    tokens = np.concatenate([attend(summary_queries, patches, patches), prompts])
    return attend(tokens, tokens, tokens)


def full_pathway(patches: Float[Array, "n d"], prompts: Float[Array, "p d"]) -> Float[Array, "k d"]:
    """The same without summaries: patches and prompts attend to each other."""
    tokens = np.concatenate([patches, prompts])
    return attend(tokens, tokens, tokens)


def pathway_cost_ratio(patches: int, prompts: int, summaries: int) -> float:
    """(m n + (m + p)^2) / (n + p)^2: multiplications of a summarised pathway over those of a full one."""
    n, p = integer("patches", patches, least=1), integer("prompts", prompts, least=1)
    m = integer("summaries", summaries, least=1)
    return (m * n + (m + p) ** 2) / (n + p) ** 2


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class TwoTasks:
    """Logits and values of the keys of two tasks, seen by the same query."""

    own: Logits
    other: Logits
    own_values: Float[Array, "n v"]
    other_values: Float[Array, "k v"]

    def __post_init__(self) -> None:
        own = finite_array("own_values", self.own_values, (len(self.own.values), None), leading=False)
        shape = (len(self.other.values), own.shape[1])
        object.__setattr__(self, "own_values", own)
        object.__setattr__(self, "other_values", finite_array("other_values", self.other_values, shape, leading=False))


@dataclass(frozen=True, eq=False)
class Clusters:
    """A query (d,), keys (n, d) and values (n, v) that differ, and the cluster (n,) of every key."""

    query: Float[Array, " d"]
    keys: Float[Array, "n d"]
    values: Float[Array, "n v"]
    cluster_of: Int[NDArray[np.int64], " n"]

    def __post_init__(self) -> None:
        keys = finite_array("keys", self.keys, (None, None), leading=False)
        object.__setattr__(self, "keys", keys)
        object.__setattr__(self, "query", finite_array("query", self.query, (keys.shape[1],), leading=False))
        pixels = Pixels(keys @ self.query, self.values, self.cluster_of)
        object.__setattr__(self, "values", pixels.values)
        object.__setattr__(self, "cluster_of", pixels.object_of)

    @property
    def width(self) -> float:
        """The largest distance between two keys of a cluster."""
        return max(diameter(self.keys[self.cluster_of == c]) for c in np.unique(self.cluster_of))

    def error(self, *, count: bool = True) -> float:
        """Distance of the summarised output from the full one, in units of the diameter of the values."""
        full = softmax(self.keys @ self.query) @ self.values
        found = summarised_attention(self.query, self.keys, self.values, self.cluster_of, count=count)
        return float(np.linalg.norm(full - found) / diameter(self.values))

    @classmethod
    def drawn(cls, sizes: list[int], noise: float, scale: float, seed: int) -> Clusters:
        """Clusters of these sizes in 3-d: N(0, 1) centres with N(0, noise^2) keys around them, values likewise; an
        N(0, scale^2) query.
        """
        rng = np.random.default_rng(seed)
        cluster_of = np.repeat(np.arange(len(sizes)), sizes)
        centres = rng.standard_normal((cluster_of[-1] + 1, 6))[cluster_of]
        tokens = centres + noise * rng.standard_normal(centres.shape)
        return cls(scale * rng.standard_normal(3), tokens[:, :3], tokens[:, 3:], cluster_of)


@dataclass(frozen=True)
class PathwaySizes:
    """n patches, p prompts, m summaries and the width d of a token, all >= 1."""

    patches: int
    prompts: int
    summaries: int
    width: int

    def __post_init__(self) -> None:
        for name in ("patches", "prompts", "summaries", "width"):
            integer(name, getattr(self, name), least=1)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Keys of a second task in the same softmax move the first task's output exactly to
    o_1 + a (o_2 - o_1), a = sig(lse_2 - lse_1); in pathways of their own they would move it by nothing.""",
    source=DE_MIN_2024,
    kind="identity",
    tolerance=1e-12,
)
def tasks_in_one_softmax_disturb_each_other(case: TwoTasks) -> float:
    logits = np.concatenate([case.own.values, case.other.values])
    together = softmax(logits) @ np.concatenate([case.own_values, case.other_values])
    own, other = case.own.weights @ case.own_values, case.other.weights @ case.other_values
    size = float(np.abs(np.concatenate([case.own_values, case.other_values])).max())
    return relative_error(together, own + disturbance(case.own.values, case.other.values) * (other - own), scale=size)


@claim(
    statement="""Summaries by cluster means with their log count move the output of attention by at most the diameter of
    the values times tanh(d/4) + tanh(d^2/32), where d is the length of the query times the width of a cluster.""",
    source=DE_MIN_2024,
    also=(FANG_2024,),
    kind="inequality",
    tolerance=1e-11,
)
def counted_summaries_are_accurate(case: Clusters) -> float:
    return excess(case.error(), pooling_error_bound(float(np.linalg.norm(case.query)) * case.width))


@claim(
    statement="""A pathway of m summaries and p prompts takes (m n + (m + p)^2) / (n + p)^2 of the multiplications that
    n patches and p prompts take in full.""",
    source=DE_MIN_2024,
    kind="identity",
    tolerance=1e-14,
)
def summarised_pathway_cost_is_counted(case: PathwaySizes) -> float:
    sizes = (case.summaries, case.patches, case.prompts)
    queries, patches, prompts = (np.ones((size, case.width)) for size in sizes)
    ratio = multiplications(pathway, queries, patches, prompts) / multiplications(full_pathway, patches, prompts)
    return relative_error(ratio, pathway_cost_ratio(case.patches, case.prompts, case.summaries))


@claim(
    statement="Summaries of tight clusters approximate attention without their counts.",
    source=DE_MIN_2024,
    kind="refuted",
    tolerance=0.3,
    counterexample=lambda: (
        Clusters(np.zeros(1), np.zeros((10, 1)), np.eye(2)[[0] + [1] * 9], np.array([0] + [1] * 9)),
    ),
)
def summaries_need_no_count(case: Clusters) -> float:
    """The error without counts less the error with them: clusters of 1 and 9 equal keys."""
    return case.error(count=False) - case.error()
