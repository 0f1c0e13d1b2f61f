"""Attention as a support vector machine: minimum-norm weights that select given tokens, in certified batches.

`problem` the instance and its algebra; `solver` the front door; `frobenius` and `nuclear` the batched solvers,
`reference` the textbook form in cvxpy, `certificates` what any proposal proves.
This is the one room of `theory` that uses torch. Nothing here draws data or trains a network.
"""

from theory.attention_svm.problem import Margins, TokenSelection
from theory.attention_svm.solver import INACCURATE, INFEASIBLE, OPTIMAL, UNDECIDED, Solution, solve

__all__ = [
    "INACCURATE",
    "INFEASIBLE",
    "OPTIMAL",
    "UNDECIDED",
    "Margins",
    "Solution",
    "TokenSelection",
    "solve",
]
