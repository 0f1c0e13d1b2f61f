"""Signs of attention sinks and of outliers, of one replica: b batch, h head, t token (query, then key), d model.

Sink logits after Guo et al. 2024 (2410.13835), sink rate after Gu et al. 2024 (2410.10781), infinity norm and kurtosis
after Bondarenko et al. 2023 (2306.12929). Position 0 is the sink's. No host synchronisation, so all can be captured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from toy_tasks.validation import choice

if TYPE_CHECKING:
    from toy_tasks.simulator.transformer import Transformer

MODULES = ("norm1", "attention", "norm2", "mlp", "output", "norm")


class Spread(NamedTuple):
    """Mean, 10% and 90% quantile over the tokens that occur."""

    mean: Tensor
    low: Tensor
    high: Tensor


class Outliers(NamedTuple):
    """Largest infinity norm and mean kurtosis over all modules."""

    inf_norm: Tensor
    kurtosis: Tensor


def sink_logits(scores: Tensor) -> Tensor:
    """s_i0 - mean_{1 <= j < i} s_ij of each query i = 2 .. t-1: (..., t, t) -> (..., t - 2)."""
    earlier = torch.ones_like(scores).tril(-1)
    earlier[..., 0] = 0.0  # keys 1 <= j < i
    others = torch.where(earlier > 0, scores, 0.0).sum(dim=-1) / earlier.sum(dim=-1).clamp(min=1.0)
    return (scores[..., 0] - others)[..., 2:]


def delta_logits(scores: Tensor, tokens: Tensor, vocabulary: int, where: Tensor | None = None) -> Tensor:
    """Mean sink logit of each token's queries at positions >= 2, over sequences and heads: (vocabulary,).

    scores (b, h, t, t), tokens (b, t); only queries in `where` (b, t) count. NaN for tokens that do not occur there.
    """
    logits = sink_logits(scores.mean(dim=1))
    is_token = tokens[:, 2:, None] == torch.arange(vocabulary, device=tokens.device)
    if where is not None:
        is_token = is_token & where[:, 2:, None]
    weight = is_token.to(logits.dtype)
    return (weight * logits[..., None]).sum(dim=(0, 1)) / weight.sum(dim=(0, 1))


def spread(values: Tensor) -> Spread:
    """Of the entries (v,) that are not NaN; quantiles interpolate linearly between the sorted entries."""
    ordered = values.sort().values  # NaN comes last
    last = (~values.isnan()).sum().sub(1).clamp(min=0)

    def quantile(q: float) -> Tensor:
        rank = q * last.to(values.dtype)
        below, above = (ordered.gather(0, r.to(torch.int64)[None])[0] for r in (rank.floor(), rank.ceil()))
        return below + (rank - rank.floor()) * (above - below)

    return Spread(values.nanmean(), quantile(0.1), quantile(0.9))


def importance(weights: Tensor) -> Tensor:
    """Mean attention on each key over the queries that see it: (..., t, t) -> (..., t).

    Rows of |weights| are normalised to sum 1 first, so that unnormalised variants compare; a row of zeros stays zero.
    """
    size = weights.abs()
    total = size.sum(dim=-1, keepdim=True)
    rows = torch.where(total > 0, size / torch.where(total > 0, total, 1.0), 0.0)
    seen_by = torch.arange(weights.shape[-1], 0, -1, device=weights.device)
    return rows.sum(dim=-2) / seen_by


def sink_rate(weights: Tensor, epsilon: float = 0.3, position: int = 0) -> Tensor:
    """Percentage of (sample, head, ...) whose importance at `position` exceeds epsilon; weights (..., t, t)."""
    choice("position", position, range(weights.shape[-1]))
    exceeds = importance(weights)[..., position] > epsilon
    return 100 * exceeds.to(weights.dtype).mean()


def inf_norm(x: Tensor) -> Tensor:
    """max |x| of each sample (b, t, d), averaged over samples."""
    return x.abs().amax(dim=(-2, -1)).mean()


def kurtosis(x: Tensor, guard: float = 1e-6) -> Tensor:
    """mean((x - mean)^4) / (std^4 + guard) of each sample (b, t, d), averaged over samples, std unbiased."""
    flat = x.flatten(-2)
    centred = flat - flat.mean(dim=-1, keepdim=True)
    variance = centred.square().sum(dim=-1) / (flat.shape[-1] - 1)
    return (centred.pow(4).mean(dim=-1) / (variance.square() + guard)).mean()


class Modules(dict[str, Tensor]):
    """An edit that changes nothing and keeps what each LayerNorm, attention (after W_o), MLP and block returns.

    (b, t, d) each, by names such as "0.mlp", "1.norm2", "0.output", and "norm".
    """

    def __call__(self, site: str, layer: int, value: Tensor) -> Tensor:
        """The value itself."""
        if site in MODULES:
            self[site if site == "norm" else f"{layer}.{site}"] = value
        return value


def module_outputs(model: Transformer, params: dict[str, Tensor], tokens: Tensor) -> Modules:
    """`Modules` of a forward pass."""
    modules = Modules()
    model.forward(params, tokens, modules)
    return modules


def outliers(modules: dict[str, Tensor]) -> Outliers:
    """Max over modules of `inf_norm` and mean over modules of `kurtosis`."""
    norms, fourths = (torch.stack([f(x) for x in modules.values()]) for f in (inf_norm, kurtosis))
    return Outliers(norms.amax(), fourths.mean())
