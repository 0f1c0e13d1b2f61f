"""The same programs as a textbook writes them, in cvxpy: slow, readable, and the oracle of the batched solvers.

Clarabel proposes weights and multipliers one problem at a time; `certificates` judges them like any other proposal, so
no status string decides anything.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from theory.attention_svm.certificates import Certificate, Kind, certify
from theory.attention_svm.problem import Margins
from theory.numerics import Array

STRICT = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12, "max_iter": 200}


def by_cvxpy(program: Margins, norm: Kind) -> Certificate:
    """Multipliers, weights and proven bounds for a flat batch, by cvxpy and Clarabel."""
    parts = [x.cpu().numpy() for x in (program.rows, program.row_queries, program.bounds)]
    found = [_one(a, z, b, norm) for a, z, b in zip(*parts, strict=True)]
    weights, multipliers = (torch.as_tensor(np.stack(x)).to(program.rows) for x in zip(*found, strict=True))
    return certify(program, multipliers, weights, norm)


def _one(rows: Array, queries: Array, bounds: Array, norm: Kind) -> tuple[Array, Array]:
    """Weights and multipliers of one problem; where there are no weights, the p that minimises ||M(p)||."""
    import cvxpy as cp

    weights = cp.Variable((rows.shape[1], queries.shape[1]))
    enough = cp.sum(cp.multiply(rows @ weights, queries), axis=1) >= bounds
    if _solved(cp.Problem(cp.Minimize(_size(weights, norm)), [enough])) and weights.value is not None:
        return weights.value, enough.dual_value
    p = cp.Variable(len(bounds), nonneg=True)
    combined = rows.T @ cp.multiply(p[:, None], queries)
    _solved(cp.Problem(cp.Minimize(cp.norm(combined, "fro")), [bounds @ p == 1]))
    return np.full(weights.shape, np.nan), np.full(len(bounds), np.nan) if p.value is None else p.value


def _size(weights: Any, norm: Kind) -> Any:
    """What is minimised, as cvxpy writes it. The square makes a quadratic program, more accurate than a cone."""
    import cvxpy as cp

    if norm == "frobenius":
        return cp.sum_squares(weights) / 2
    if norm == "nuclear":
        return cp.normNuc(weights)
    return cp.pnorm(cp.vec(weights, order="C"), norm, approx=False)  # type: ignore[arg-type]


def _solved(problem: Any) -> bool:
    """Whether Clarabel left a point, with the strictest tolerances that it can keep."""
    import cvxpy as cp

    for options in (STRICT, {}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a point is inaccurate is for its certificate to say
            try:
                problem.solve(solver=cp.CLARABEL, **options)
            except cp.SolverError:
                continue
        if problem.status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
            return True
    return False
