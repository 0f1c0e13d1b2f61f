"""One generic counterexample hunt for every registered claim, and what must fail does fail."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st

from theory import claims
from theory.domains import registry
from theory.papers import GUO_2024

EXAMPLES = 100
NIGHTLY_EXAMPLES, NIGHTLY_SEED = 2_000, int(os.environ.get("NIGHTLY_SEED", "1"))


def by_name(claim: claims.Claim) -> str:
    return claim.name


ALL = claims.all_claims()
TRAINED = (pytest.mark.figures, pytest.mark.xdist_group("training"))
EXPERIMENTS = [c for c in ALL if c.violation.__module__.startswith("experiments.")]  # most need stored results
CASES = [pytest.param(c, marks=TRAINED if c in EXPERIMENTS else (), id=c.name) for c in ALL]


@pytest.mark.parametrize("claim", CASES)
def test_no_counterexample(claim: claims.Claim) -> None:
    worst = claims.hunt(claim, EXAMPLES, cap=True)
    assert worst.holds, f"{claim.name}: violation {worst.violation:.3g} > {claim.tolerance:g} at {worst.instances}"


@pytest.mark.nightly
@pytest.mark.parametrize("claim", [c for c in ALL if c.kind not in ("trend", "refuted")], ids=by_name)
def test_no_counterexample_in_a_long_hunt(claim: claims.Claim) -> None:
    worst = claims.hunt(claim, NIGHTLY_EXAMPLES, seed=NIGHTLY_SEED)
    assert worst.holds, f"{claim.name}: violation {worst.violation:.3g} > {claim.tolerance:g} at {worst.instances}"


@pytest.mark.parametrize("claim", [c for c in ALL if c.fails_without], ids=by_name)
def test_fails_without_its_hypothesis(claim: claims.Claim) -> None:
    assert claim.fails_without is not None
    outside = claim.fails_without()
    assert not all(isinstance(i, t) for i, t in zip(outside, claim.domain, strict=True)), "this instance is inside"
    assert not claim(*outside) <= claim.tolerance


@pytest.mark.parametrize("claim", [c for c in ALL if c.symbolic], ids=by_name)
def test_symbolic_proof(claim: claims.Claim) -> None:
    import sympy

    assert claim.symbolic is not None
    residuals = list(claim.symbolic())
    assert residuals, "a proof must yield at least one expression"
    for residual in residuals:
        assert sympy.simplify(residual) == 0


# -------------------------------------------------------------------------------------- the machinery can fail, itself


@dataclass(frozen=True)
class Undrawn:
    """An instance type that no domain draws."""


@dataclass(frozen=True)
class Number:
    """A number in [0, 1]."""

    value: float


def made(violation: Callable[..., float], **changes: Any) -> claims.Claim:
    """A claim that is not registered."""
    settings = {"kind": "inequality", "status": "derived", "tolerance": 1e-9} | changes
    return claims.Claim(name="test.claim", statement="", source=GUO_2024, violation=violation, **settings)


@pytest.fixture
def _numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._DOMAINS, Number, lambda: st.floats(0, 1).map(Number))


def test_a_claim_without_a_domain_says_what_to_add() -> None:
    def violation(instance: Undrawn) -> float:
        return 0.0

    with pytest.raises(LookupError, match=r"@domain\(Undrawn\) in theory/domains/"):
        claims.hunt(made(violation))


@pytest.mark.usefixtures("_numbers")
def test_a_hunt_finds_and_shrinks_a_rare_counterexample() -> None:
    """False on 1% of the domain; steering finds it and shrinking leaves a simple number."""

    def violation(number: Number) -> float:
        return number.value - 0.99

    worst = claims.hunt(made(violation), 200)
    assert not worst.holds
    assert worst.instances == (Number(1.0),)
    assert worst > 0


@pytest.mark.usefixtures("_numbers")
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_and_infinity_are_violations(value: float) -> None:
    def violation(number: Number) -> float:
        return value

    assert not claims.hunt(made(violation), 5).holds


@pytest.mark.usefixtures("_numbers")
def test_worst_case_and_tightness_are_recorded() -> None:
    """x (1 - x) <= 1/4 is attained at 1/2: steering gets within 1%, and the same hunt gives the same worst case."""

    def violation(number: Number) -> float:
        return claims.excess(number.value * (1 - number.value), 0.25)

    worst, again = (claims.hunt(made(violation), 300) for _ in range(2))
    assert worst.holds
    assert worst.tightness is not None
    assert worst.tightness > 0.99
    assert (worst.violation, worst.instances) == (again.violation, again.instances)
    assert worst.examples <= 300


@pytest.mark.usefixtures("_numbers")
def test_the_cap_holds_in_ci_only() -> None:
    def violation(number: Number) -> float:
        return -number.value

    assert claims.hunt(made(violation, examples=7), 50, cap=True).examples <= 7
    assert claims.hunt(made(violation, examples=7), 50).examples > 7


def test_a_refuted_claim_needs_a_real_counterexample() -> None:
    def violation(number: Number) -> float:
        return number.value

    good = made(violation, kind="refuted", counterexample=lambda: (Number(1.0),))
    bad = made(violation, kind="refuted", counterexample=lambda: (Number(0.0),))
    assert claims.hunt(good).holds
    assert not claims.hunt(bad).holds


def test_every_claim_is_well_described() -> None:
    for claim in ALL:
        assert claim.statement.endswith((".", ")")), claim.name
        assert claim.source.identifier, claim.name
        assert "as recalled" in claim.source.read or claim.status != "as recalled", claim.name


def test_measures_of_violation() -> None:
    assert claims.relative_error([1.0, 2.0], [1.0, 2.5]) == pytest.approx(0.2)
    assert claims.relative_error(0.0, 0.0) == 0.0
    assert claims.excess([1.0, 3.0], [2.0, 4.0]) == pytest.approx(-0.25)
    assert claims.excess(5.0, 4.0) == pytest.approx(0.2)
    assert claims.excess(0.0, 0.0) == -1.0  # nothing is attained where both sides vanish
    assert math.isnan(claims.excess(math.nan, 1.0))
    assert math.isnan(claims.relative_error([0.0, math.nan], 1.0))
