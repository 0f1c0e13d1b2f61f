"""Training of many token selection problems at once.

Apart from `toy_tasks.simulator.simulate`, because nothing is shared between replicas here but the rule: each has its
own problem, no data are sampled, and the gradient is a formula, exact far below the range of floating-point numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.threads import one_thread
from toy_tasks.token_selection.gradients import LOSSES, Arithmetic, Loss, arithmetic, excess, pull
from toy_tasks.token_selection.heads import GivenScores, LinearHead
from toy_tasks.token_selection.parameters import Parameters, State
from toy_tasks.token_selection.problems import SelectionProblems
from toy_tasks.token_selection.rules import NormalizedDescent, Rule
from toy_tasks.validation import choice, count, increasing_steps, torch_device

LONGEST = 1e100  # a longer step counts as infinite


@dataclass(frozen=True, eq=False)
class Trained:
    """What was recorded, on the host.

    steps          (k,) recorded steps.
    weights        W (r, k, d, e).
    log_attention  log softmax (r, k, n, T).
    parameters     final values by name: `weights`, or `keys` and `queries`.
    frozen         (r,) the step at which a problem was frozen because it had no step of finite length, else -1.
    """

    steps: tuple[int, ...]
    weights: Tensor
    log_attention: Tensor
    parameters: dict[str, Tensor]
    frozen: Tensor

    @property
    def selected(self) -> Tensor:
        """The token of largest attention in the last record, (r, n)."""
        return self.log_attention[:, -1].argmax(dim=-1)

    @property
    def largest(self) -> Tensor:
        """The largest attention of each sequence, (r, k, n)."""
        return self.log_attention.amax(dim=-1).exp()


def train(
    problems: SelectionProblems,
    parameters: Parameters,
    rule: Rule,
    *,
    steps: int,
    record: int | Iterable[int] | None = None,
    mode: str | Arithmetic = "stable",
    loss: str = "logistic",
    device: str = "cpu",
) -> Trained:
    """`steps` full-batch steps of every problem, in float64.

    record  every how many steps (0 and the last always included), or the steps themselves; default: first and last.
    mode    "author", "stable" or "path", or an `Arithmetic`: see there.
    loss    "logistic", "exponential" or "linear".

    A problem whose step has no finite length is frozen, reported in `frozen` and by a `RuntimeWarning`; the others do
    not notice. Raises before any work on bad arguments.
    """
    recorded = increasing_steps("record", record, count("steps", steps, least=0))
    how, where = arithmetic(mode), torch_device(device)
    chosen = LOSSES[choice("loss", loss, LOSSES)]
    if isinstance(rule, NormalizedDescent) and how.floor:
        rule = replace(rule, floor=how.floor)
    if rule.needs_excess and not isinstance(problems.head, LinearHead | GivenScores):
        raise ValueError(f"rule must not need the least loss for a head that is not linear, got {rule!r}")
    problems = problems.to(where)
    with one_thread():
        state = parameters.start(problems, how.decay)
        descent = _Descent(problems, state, rule, how, chosen)
        records = descent.run(recorded, steps)
    final = {name: value.cpu() for name, value in state.parameters().items()}
    return Trained(recorded, *records, final, _reported(descent.frozen.cpu()))


class _Descent:
    """The loop's body."""

    def __init__(self, problems: SelectionProblems, state: State, rule: Rule, how: Arithmetic, loss: Loss) -> None:
        self.problems, self.state, self.rule, self.how, self.loss = problems, state, rule, how, loss
        self.response = problems.head.along(problems.tokens)
        self.scores = problems.scores() if rule.needs_excess else None
        self.frozen = torch.full((problems.problems,), -1, device=problems.tokens.device)

    def run(self, recorded: tuple[int, ...], steps: int) -> tuple[Tensor, Tensor]:
        """Weights and log attention at the recorded steps."""
        found: list[tuple[Tensor, Tensor]] = []
        done = 0
        for target in sorted({*recorded, steps}):
            for step in range(done, target):
                self.advance(step)
            if target in recorded:
                found.append((self.state.weights().cpu(), F.log_softmax(self.state.logits(), dim=-1).cpu()))
            done = target
        weights, log_attention = (torch.stack(values, dim=1) for values in zip(*found, strict=True))
        return weights, log_attention

    def advance(self, step: int) -> None:
        logits, labels = self.state.logits(), self.problems.labels
        gradient = pull(logits, labels, self.response, self.loss, self.how.log_domain)
        norms = self.state.norms(gradient.coefficients, gradient.log_scale)
        above = None if self.scores is None else excess(logits, self.scores, self.loss, gradient.log_scale)
        lengths = self.rule.lengths(norms, gradient.log_scale, above)
        fine = (lengths * norms < LONGEST).all(dim=0) & (self.frozen < 0)  # false for NaN too
        self.frozen = torch.where(fine | (self.frozen >= 0), self.frozen, step)
        self.state.move(torch.where(fine, lengths, 0.0))


def _reported(frozen: Tensor) -> Tensor:
    for problem in torch.nonzero(frozen >= 0).flatten().tolist():
        warnings.warn(f"problem {problem} was frozen at step {int(frozen[problem])}", RuntimeWarning, stacklevel=3)
    return frozen
