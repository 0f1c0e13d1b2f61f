"""Claims: statements attached to the function that measures by how much an instance violates them.

    @claim(statement="...", source=GUO_2024, kind="inequality", tolerance=1e-9)
    def value_gradients_sum_to_zero(point: SinkPoint) -> float: ...

The parameters of the function are *instance types*: frozen dataclasses that satisfy the hypotheses by construction.
`theory.domains` knows how to draw each of them, so one generic hunt (`hunt`) looks for counterexamples of every claim.
A claim whose function takes no parameters is a single statement (an experiment's verdict); it is evaluated once.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from theory.papers import Source

Kind = Literal["identity", "inequality", "limit", "trend", "refuted"]
Status = Literal["theorem", "as recalled", "derived", "conjecture", "refuted"]
Instances = tuple[Any, ...]

_REGISTRY: dict[str, Claim] = {}


@dataclass(frozen=True, eq=False)
class Claim:
    """One statement. Calling it with instances returns the violation: the claim holds where it is <= `tolerance`.

    kind            identity: violation is a relative error. inequality: `excess(left, right)`, 0 where attained.
                    limit: a fitted rate or level against the predicted one. trend: a statistical verdict of an
                    experiment. refuted: a published or natural statement that fails at `counterexample`.
    status          theorem (the source states it), as recalled (it does, to our recollection), derived (by us),
                    conjecture, refuted.
    fails_without   makes instances outside the hypotheses, on which the claim must fail.
    counterexample  makes the instances that refute it (kind "refuted" only).
    symbolic        yields sympy expressions that must simplify to zero: a proof at small size.
    also            further sources that the statement is about.
    examples        cap on the examples of a hunt in CI, for claims that integrate or sample; nightly hunts ignore it.
    """

    name: str
    statement: str
    source: Source
    kind: Kind
    status: Status
    violation: Callable[..., float]
    tolerance: float
    fails_without: Callable[[], Instances] | None = None
    counterexample: Callable[[], Instances] | None = None
    symbolic: Callable[[], Iterable[Any]] | None = None
    also: tuple[Source, ...] = ()
    examples: int | None = None

    def __call__(self, *instances: Any) -> float:
        return float(self.violation(*instances))

    @property
    def sources(self) -> tuple[Source, ...]:
        """All sources the statement is about, the first one first."""
        return (self.source, *self.also)

    @property
    def is_hunted(self) -> bool:
        """Whether instances are drawn: not for a refuted claim, nor for a single statement without parameters."""
        return self.counterexample is None and bool(inspect.signature(self.violation).parameters)

    @property
    def domain(self) -> tuple[type, ...]:
        """The instance types of the parameters, in order."""
        hints = typing.get_type_hints(self.violation)
        missing = [p for p in inspect.signature(self.violation).parameters if p not in hints]
        if missing:
            raise TypeError(f"claim {self.name}: annotate parameter {missing[0]!r} with its instance type")
        return tuple(hints[p] for p in inspect.signature(self.violation).parameters)


def claim(
    *,
    statement: str,
    source: Source,
    kind: Kind,
    tolerance: float,
    status: Status | None = None,
    fails_without: Callable[[], Instances] | None = None,
    counterexample: Callable[[], Instances] | None = None,
    symbolic: Callable[[], Iterable[Any]] | None = None,
    also: tuple[Source, ...] = (),
    examples: int | None = None,
) -> Callable[[Callable[..., float]], Claim]:
    """Register the decorated function as the violation of a claim named `<topic>.<function>`.

    `status` defaults to "refuted" for that kind and to "derived" for every other.
    """
    status = status or ("refuted" if kind == "refuted" else "derived")
    for what, value, allowed in (("kind", kind, get_args(Kind)), ("status", status, get_args(Status))):
        if value not in allowed:
            raise ValueError(f"{what} must be one of {', '.join(allowed)}, got {value!r}")
    if (kind == "refuted") != (counterexample is not None):
        raise ValueError(f"counterexample is for kind 'refuted' and for no other, got {counterexample!r} for {kind!r}")
    if not (isinstance(tolerance, int | float) and np.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance must be finite and >= 0, got {tolerance!r}")
    if examples is not None:
        _check_examples(examples)

    def register(violation: Callable[..., float]) -> Claim:
        topic = violation.__module__.split(".")[1] if "." in violation.__module__ else violation.__module__
        made = Claim(
            name=f"{topic}.{violation.__name__}",
            statement=" ".join(statement.split()),
            source=source,
            kind=kind,
            status=status,
            violation=violation,
            tolerance=tolerance,
            fails_without=fails_without,
            counterexample=counterexample,
            symbolic=symbolic,
            also=also,
            examples=examples,
        )
        known = _REGISTRY.get(made.name)
        if known is not None and known.violation.__module__ != violation.__module__:
            raise ValueError(f"claim {made.name} is already registered by {known.violation.__module__}")
        _REGISTRY[made.name] = made
        return made

    return register


def all_claims() -> tuple[Claim, ...]:
    """Every registered claim, by name. Imports all of `theory` and what other rooms announce as claim modules."""
    package = importlib.import_module("theory")
    for module in pkgutil.walk_packages(package.__path__, "theory."):
        importlib.import_module(module.name)
    for announced in entry_points(group="attention_dynamics.claims"):
        announced.load()
    return tuple(_REGISTRY[name] for name in sorted(_REGISTRY))


# ---------------------------------------------------------------------------------------------- measuring violations


def relative_error(actual: ArrayLike, expected: ArrayLike, *, scale: float = 0.0) -> float:
    """max |actual - expected| over the larger of `scale` and the largest entry of either; NaN where either has one."""
    a, e = np.asarray(actual, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    size = np.max([scale, np.abs(a).max(), np.abs(e).max()])
    return 0.0 if size == 0 else float(np.abs(a - e).max() / size)


def excess(left: ArrayLike, right: ArrayLike, *, scale: ArrayLike | None = None) -> float:
    """The largest (left - right) / scale of the statement left <= right; scale defaults to max(|left|, |right|).

    For non-negative sides this is left/right - 1 wherever the statement holds, so 1 + excess is the attained fraction.
    0 <= 0 counts as far from the bound (-1), so that trivial instances do not pass for tight; NaN where a side is NaN.
    """
    a, b = np.broadcast_arrays(np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64))
    size = np.maximum(np.abs(a), np.abs(b)) if scale is None else np.broadcast_to(np.asarray(scale, float), a.shape)
    return float(np.where(size == 0, -1.0, (a - b) / np.where(size == 0, 1.0, size)).max())


# ----------------------------------------------------------------------------------------------- hunting


class WorstCase(float):
    """The largest violation a hunt found: a float that remembers the instances and how many examples were tried."""

    claim: Claim
    instances: Instances
    examples: int

    @classmethod
    def of(cls, claim: Claim, violation: float, instances: Instances, examples: int) -> WorstCase:
        """The worst case of `claim`, with what it was found on."""
        worst = cls(violation)
        worst.claim, worst.instances, worst.examples = claim, instances, examples
        return worst

    @property
    def violation(self) -> float:
        """The violation as a plain float."""
        return float(self)

    @property
    def holds(self) -> bool:
        """Whether the claim's verdict is confirmed: no violation, or for a refuted claim a real one."""
        violated = not self.violation <= self.claim.tolerance
        return violated if self.claim.kind == "refuted" else not violated

    @property
    def tightness(self) -> float | None:
        """For an inequality the attained fraction of the bound, in [0, 1]; else None."""
        return min(1.0, max(0.0, 1.0 + self.violation)) if self.claim.kind == "inequality" else None


class _Counterexample(Exception):
    """Raised inside a hunt so that hypothesis shrinks the instance."""


@dataclass
class _Search:
    """What a hunt has seen so far."""

    worst: float = -np.inf
    instances: Instances = ()
    examples: int = 0
    falsified: tuple[float, Instances] | None = field(default=None)


def _check_examples(examples: Any) -> None:
    if isinstance(examples, bool) or not isinstance(examples, int) or examples < 1:
        raise ValueError(f"examples must be an integer >= 1, got {examples!r}")


def hunt(claim: Claim, examples: int = 100, *, seed: int | None = None, cap: bool = False) -> WorstCase:
    """Look for a counterexample of `claim` in `examples` draws of its domain and return the worst case found.

    hypothesis steers towards large violations and shrinks a counterexample to a small one; the search stops there.
    The search is deterministic: with `seed=None` it is the one CI makes. `cap=True` respects the claim's `examples`.
    A refuted claim is evaluated at its counterexample, and a claim without parameters once.
    Raises `LookupError` when an instance type of the claim has no registered domain.
    """
    _check_examples(examples)
    if not claim.is_hunted:
        instances = claim.counterexample() if claim.counterexample else ()
        return WorstCase.of(claim, claim(*instances), instances, 1)

    import hypothesis as hy

    from theory.domains import strategy_for

    search = _Search()

    def attempt(instances: Instances) -> None:
        violation = claim(*instances)
        search.examples += 1
        if violation > search.worst:
            search.worst, search.instances = violation, instances
        if not violation <= claim.tolerance:  # NaN is a violation too
            search.falsified = violation, instances
            raise _Counterexample
        if np.isfinite(violation):
            hy.target(violation)

    settings = hy.settings(
        max_examples=min(examples, claim.examples or examples) if cap else examples,
        derandomize=seed is None,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=[hy.HealthCheck.too_slow],
    )
    test = hy.given(hy.strategies.tuples(*map(strategy_for, claim.domain)))(attempt)
    try:
        settings(test if seed is None else hy.seed(seed)(test))()
    except _Counterexample:
        assert search.falsified is not None
        search.worst, search.instances = search.falsified
    return WorstCase.of(claim, search.worst, search.instances, search.examples)
