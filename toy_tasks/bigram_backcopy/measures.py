"""What to record of a transformer on Bigram-Backcopy: its risks and the signs of an attention sink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from toy_tasks.bigram_backcopy.task import BigramBackcopy
from toy_tasks.randomness import DeviceConstant
from toy_tasks.simulator.block import Edit, unchanged
from toy_tasks.simulator.interventions import Chain
from toy_tasks.simulator.sink_metrics import Modules, delta_logits, outliers, sink_logits, sink_rate, spread
from toy_tasks.task import Batch
from toy_tasks.validation import number

if TYPE_CHECKING:
    from toy_tasks.simulator.block import Layer
    from toy_tasks.simulator.simplified import SimplifiedModel
    from toy_tasks.simulator.transformer import Transformer

MadeEdit = Callable[[Tensor], Edit]


def _no_edit(copying: Tensor) -> Edit:
    return unchanged


@dataclass(frozen=True, eq=False)
class BackcopyMeasures:
    """Measures of one replica on a batch of sequences; the risks exclude the <s> query at position 0.

    loss            mean cross-entropy of the next token over all positions, nats (the training loss)
    backcopy_risk   mean cross-entropy against the copied token over trigger queries, nats
    bigram_excess   mean KL(P row || model) over non-trigger queries, nats
    and for the attention of layer `layer`:
    sink_weight     mean attention of non-trigger queries on <s>
    uncopied_weight mean attention of non-trigger queries on all tokens that are never copied: <s> and the triggers
    copy_weight     mean attention of trigger queries on the previous token
    sink_logit      mean over non-trigger queries i >= 2 of logit(i, 0) - mean_{1<=j<i} logit(i, j), mean over heads
    value_norm      norm of the output value state W_o v of <s>;      other_value_norm   its mean over other positions
    residual_norm   norm of the block's output at <s>;              other_residual_norm   its mean over other positions

    `edit` makes an edit of the model from the mask (b, t) of copying queries: see `toy_tasks.simulator.interventions`.
    """

    task: BigramBackcopy
    model: Transformer | SimplifiedModel
    layer: int = 0
    edit: MadeEdit = _no_edit

    def __post_init__(self) -> None:
        _ = self._constants  # made before replicas' copies are, which share it

    @cached_property
    def _constants(self) -> tuple[DeviceConstant, DeviceConstant]:
        return DeviceConstant(torch.from_numpy(self.task.is_trigger)), DeviceConstant(
            torch.tensor(self.task.next_token)
        )

    def __call__(self, params: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Scalars by name, for one replica: tokens (b, t)."""
        tokens = batch["tokens"]
        is_trigger, next_token = (c.on(tokens.device) for c in self._constants)
        out = self.model.forward(params, tokens, self.edit(is_trigger[tokens]))
        layer = out.layers[self.layer]
        never_copied = (is_trigger[tokens] | (tokens == self.task.begin)).to(out.logits.dtype)
        copying = is_trigger[tokens][:, 1:].to(out.logits.dtype)
        plain = 1.0 - copying

        def over(mask: Tensor, values: Tensor) -> Tensor:
            return (mask * values).sum() / mask.sum()

        every_log_q = torch.log_softmax(out.logits, dim=-1)
        log_q = every_log_q[:, 1:]
        p = next_token.to(log_q.dtype)[tokens[:, 1:]]
        kl = (torch.special.xlogy(p, p) - p * log_q).sum(dim=-1)
        copied = log_q.gather(-1, tokens[:, :-1, None]).squeeze(-1)  # the oracle after a trigger: the token before it

        weights, scores = layer.weights.mean(dim=1), layer.scores.mean(dim=1)  # over heads; (b, query, key)
        value_norm, residual_norm = layer.values.norm(dim=-1), layer.output.norm(dim=-1)
        return {
            "loss": -every_log_q.gather(-1, batch["targets"][..., None]).mean(),
            "backcopy_risk": over(copying, -copied),
            "bigram_excess": over(plain, kl),
            "sink_weight": over(plain, weights[:, 1:, 0]),
            "uncopied_weight": over(plain, (weights[:, 1:] @ never_copied[..., None]).squeeze(-1)),
            "copy_weight": over(copying, torch.diagonal(weights, offset=-1, dim1=-2, dim2=-1)),
            "sink_logit": over(plain[:, 1:], sink_logits(scores)),
            "value_norm": value_norm[:, 0].mean(),
            "other_value_norm": value_norm[:, 1:].mean(),
            "residual_norm": residual_norm[:, 0].mean(),
            "other_residual_norm": residual_norm[:, 1:].mean(),
        }


@dataclass(frozen=True, eq=False)
class SinkMeasures:
    """Signs of sinks and outliers of one replica, for all l layers at once. Position 0 is the sink's.

    loss            mean cross-entropy of the next token over all positions, nats (the training loss)
    and per layer (l,):
    sink_weight     mean attention of non-trigger queries at positions >= 1 on position 0
    sink_rate       percentage of (sequence, head) whose importance of position 0 exceeds `epsilon`
    delta_logit, delta_logit_low, delta_logit_high
                    mean, 10% and 90% quantile over non-trigger tokens of the token's mean sink logit
    value_norm, other_value_norm, residual_norm, other_residual_norm
                    norm of W_o v and of the block's output, at position 0 and on average elsewhere
    peak            residual_norm - other_residual_norm
    and over all modules: inf_norm, the largest; kurtosis, the mean. `edit` is as in `BackcopyMeasures`.
    """

    task: BigramBackcopy
    model: Transformer | SimplifiedModel
    epsilon: float = 0.3
    edit: MadeEdit = _no_edit

    def __post_init__(self) -> None:
        epsilon = number("epsilon", self.epsilon, low=0)
        if not isinstance(epsilon, float):
            raise TypeError(f"epsilon must be one number, got {self.epsilon!r}")
        object.__setattr__(self, "epsilon", epsilon)
        _ = self._is_trigger  # as above

    @cached_property
    def _is_trigger(self) -> DeviceConstant:
        return DeviceConstant(torch.from_numpy(self.task.is_trigger))

    def __call__(self, params: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Values by name, for one replica: tokens (b, t)."""
        tokens, modules = batch["tokens"], Modules()
        copying = self._is_trigger.on(tokens.device)[tokens]
        out = self.model.forward(params, tokens, Chain((self.edit(copying), modules)))
        layers = [self._of_layer(layer, tokens, ~copying) for layer in out.layers]
        log_q = torch.log_softmax(out.logits, dim=-1)
        return {
            "loss": -log_q.gather(-1, batch["targets"][..., None]).mean(),
            **{name: torch.stack([layer[name] for layer in layers]) for name in layers[0]},
            **outliers(modules)._asdict(),
        }

    def _of_layer(self, layer: Layer, tokens: Tensor, plain: Tensor) -> dict[str, Tensor]:
        queries = plain[:, 1:].to(layer.weights.dtype)
        deltas = spread(delta_logits(layer.scores, tokens, self.task.vocabulary, plain))
        norms = {"value_norm": layer.values.norm(dim=-1), "residual_norm": layer.output.norm(dim=-1)}
        first = {name: norm[:, 0].mean() for name, norm in norms.items()}
        others = {f"other_{name}": norm[:, 1:].mean() for name, norm in norms.items()}
        return {
            "sink_weight": (queries * layer.weights.mean(dim=1)[:, 1:, 0]).sum() / queries.sum(),
            "sink_rate": sink_rate(layer.weights, self.epsilon),
            "delta_logit": deltas.mean,
            "delta_logit_low": deltas.low,
            "delta_logit_high": deltas.high,
            **first,
            **others,
            "peak": first["residual_norm"] - others["other_residual_norm"],
        }
