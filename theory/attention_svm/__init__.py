"""Attention as a support vector machine: minimum-norm weights that select given tokens, in certified batches.

`problem` the instance and its algebra; `solver` the front door; `frobenius` and `nuclear` the batched solvers,
`reference` the textbook form in cvxpy, `certificates` what any proposal proves, `spectrum` rank and uniqueness;
`entrywise` the l_p norms, `variants` causal attention and trainable prompts, `multi_token` several tokens kept; `path`
and `second_order` how minimisers of the loss approach the solution, `flow` its gradient and the flow of factors;
`claims` the statements about all of it.
This is the one room of `theory` that uses torch. Nothing here draws data or trains a network.
"""

from theory.attention_svm.entrywise import solve_entrywise
from theory.attention_svm.flow import factor_flow, loss_gradient
from theory.attention_svm.multi_token import (
    MultiTokenSelection,
    MultiTokenSolution,
    penalised_attention,
    solve_multi_token,
)
from theory.attention_svm.path import balanced_factors, log_excess, regularization_path
from theory.attention_svm.problem import Margins, TokenSelection
from theory.attention_svm.second_order import logistic_loss_weights, second_order_shift
from theory.attention_svm.solver import INACCURATE, INFEASIBLE, OPTIMAL, UNDECIDED, Solution, solve
from theory.attention_svm.spectrum import is_unique, numerical_rank
from theory.attention_svm.variants import JointSolution, causal_margins, head_margins, joint_margins, prompt_margins

__all__ = [
    "INACCURATE",
    "INFEASIBLE",
    "OPTIMAL",
    "UNDECIDED",
    "JointSolution",
    "Margins",
    "MultiTokenSelection",
    "MultiTokenSolution",
    "Solution",
    "TokenSelection",
    "balanced_factors",
    "causal_margins",
    "factor_flow",
    "head_margins",
    "is_unique",
    "joint_margins",
    "log_excess",
    "logistic_loss_weights",
    "loss_gradient",
    "numerical_rank",
    "penalised_attention",
    "prompt_margins",
    "regularization_path",
    "second_order_shift",
    "solve",
    "solve_entrywise",
    "solve_multi_token",
]
