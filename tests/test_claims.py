"""One generic counterexample hunt for every registered claim, and what must fail does fail."""

from __future__ import annotations

import pytest

from theory import claims

EXAMPLES = 100


def by_name(claim: claims.Claim) -> str:
    return claim.name


ALL = claims.all_claims()


@pytest.mark.parametrize("claim", ALL, ids=by_name)
def test_no_counterexample(claim: claims.Claim) -> None:
    worst = claims.hunt(claim, EXAMPLES, cap=True)
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
