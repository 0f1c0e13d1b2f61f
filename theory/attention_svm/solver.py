"""`solve`: the minimum-norm weights that select the wanted tokens, with a proof of how good they are.

min ||W|| subject to (x_{i,alpha_i} - x_it)^T W z_i >= 1 for every sequence i and every other token t. With the
Frobenius norm this is the hard-margin SVM towards which gradient descent on W is drawn; with the nuclear norm, the one
for gradient descent on W = K Q^T.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from theory.attention_svm.certificates import Certificate
from theory.attention_svm.frobenius import frobenius
from theory.attention_svm.nuclear import nuclear
from theory.attention_svm.problem import Margins, TokenSelection
from theory.attention_svm.reference import by_cvxpy

Norm = Literal["frobenius", "nuclear"]
Method = Literal["auto", "cvxpy"]
PROMISED_GAP = {"frobenius": 1e-9, "nuclear": 1e-8}
POWER = {"frobenius": 2.0, "nuclear": 1.0}
SUPPORT_TOLERANCE = 1e-6  # a token whose margin exceeds its bound by less is a support vector

OPTIMAL = "optimal"
INACCURATE = "inaccurate: the gap exceeds what this norm promises; rely on lower and upper only"
INFEASIBLE = "infeasible: the multipliers combine the differences to zero; raise d or change the selection"
UNDECIDED = "undecided: neither weights nor a proof of infeasibility were found; rescale tokens and queries"


@dataclass(frozen=True, eq=False)
class Solution:
    """Weights for a batch of problems, and what is proven about them. `lead` is the batch, `k` the constraints' axes:
    (n, T-1) for a `TokenSelection`, the tokens that are not selected in ascending order, and (m,) for `Margins`.

    weights      W (*lead, d, e), feasible; NaN where infeasible.
    multipliers  lambda >= 0 (*lead, *k) with W = M(lambda) for the Frobenius norm and M(lambda) a subgradient of the
                 nuclear norm at W; where infeasible, p >= 0 with b.p = 1 and M(p) = 0 up to rounding: the proof.
    value        the norm of W (*lead,), infinite where infeasible.
    lower, upper proven bounds on the least norm; upper = value.
    gap          1 - lower / upper. For the Frobenius norm cos(W, optimum) >= 1 - gap.
    feasible     (*lead,) whether W was found; decided by the certificate, not by a solver's status.
    status       numpy array (*lead,) of one of OPTIMAL, INACCURATE, INFEASIBLE, UNDECIDED.
    margin       <A_k, W> (*lead, *k), at least the bound.
    support      (*lead, *k) whether the margin is within 1e-6 of its bound.
    """

    weights: Tensor
    multipliers: Tensor
    value: Tensor
    lower: Tensor
    upper: Tensor
    gap: Tensor
    feasible: Tensor
    status: np.ndarray
    margin: Tensor
    support: Tensor


def solve(problem: TokenSelection | Margins, norm: Norm = "frobenius", method: Method = "auto") -> Solution:
    """The weights of least norm that give every constraint its margin, for a whole batch at once, in float64.

    norm    "frobenius" or "nuclear".
    method  "auto": batched solvers in exactly reduced coordinates, on the device of the problem; what they cannot
            certify goes to cvxpy. "cvxpy": the textbook program, one problem at a time, unreduced.
    Infeasible problems are no error: see `Solution.feasible`. Raises `TypeError` or `ValueError` for a bad argument.
    """
    if not isinstance(problem, TokenSelection | Margins):
        raise TypeError(f"problem must be a TokenSelection or Margins, got {problem!r}")
    for name, value, allowed in (("norm", norm, get_args(Norm)), ("method", method, get_args(Method))):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    program = problem if isinstance(problem, Margins) else problem.margins()
    found = by_cvxpy(program.flat(), norm) if method == "cvxpy" else _in_batches(program.flat(), norm)
    axes = (program.size,) if isinstance(problem, Margins) else tuple(problem.others.shape[-2:])
    return as_solution(program, found, PROMISED_GAP[norm], axes, power=POWER[norm])


def _in_batches(program: Margins, norm: Norm) -> Certificate:
    small, left, right = program.reduced()
    found = frobenius(small)
    if norm == "nuclear":
        found = _nuclear_where_feasible(small, found)
    hard = found.open(PROMISED_GAP[norm])
    if hard.any():
        found = found.improved(hard, by_cvxpy(small.take(hard), norm))
    return found.lifted(left, right)


def _nuclear_where_feasible(program: Margins, start: Certificate) -> Certificate:
    """Feasibility does not depend on the norm: an infeasible problem keeps the proof of the Frobenius program."""
    feasible = torch.isfinite(start.upper)
    found = start.for_norm(program, "nuclear")
    if feasible.any():
        found = found.improved(feasible, nuclear(program.take(feasible), start.take(feasible)))
    return found


def as_solution(
    program: Margins, found: Certificate, promised: float, axes: tuple[int, ...], *, power: float
) -> Solution:
    """What a certificate of the flattened program says, in the caller's shape; `axes` are those of the constraints.

    Multipliers are those of ||W||^power / power, whose optimality condition is M(lambda) = its gradient.
    """
    batch = program.batch

    def shaped(x: Tensor) -> Tensor:
        return x.reshape((*batch, *x.shape[1:]))

    feasible = torch.isfinite(found.upper)
    margin = program.flat().of(found.weights)
    support = margin - program.bounds.reshape(margin.shape) <= SUPPORT_TOLERANCE
    scale = torch.where(feasible, found.lower**power, 1.0)
    status = np.where(found.gap.cpu() <= promised, OPTIMAL, INACCURATE).astype(object)
    status[~feasible.cpu().numpy()] = UNDECIDED
    status[found.infeasible.cpu().numpy()] = INFEASIBLE
    return Solution(
        weights=shaped(found.weights),
        multipliers=(found.multipliers * scale[:, None]).reshape((*batch, *axes)),
        value=shaped(found.upper),
        lower=shaped(found.lower),
        upper=shaped(found.upper),
        gap=shaped(found.gap),
        feasible=shaped(feasible),
        status=status.reshape(batch),
        margin=margin.reshape((*batch, *axes)),
        support=support.reshape((*batch, *axes)),
    )
