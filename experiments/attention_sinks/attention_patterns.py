"""Where a trained head looks: the attention map of real text as the network computes it, and whose values drain.

A query on a trigger (dashed rows) looks at the token before it, which it copies; a query on any other token has nothing
to fetch. It then looks at a token that is never copied, so that its value state may drain: at <s>, or at a trigger.
Which of them is settled for each query token by itself: the sinks compete, and the winner takes (nearly) all. Measuring
the attention on <s> alone therefore understates how dormant a head is, by an amount that depends on the seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.attention_sinks._training import PUBLISHED, Training
from experiments.lab.checks import Check
from experiments.lab.experiment import results
from theory.claims import claim
from theory.papers import GUO_2024

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from toy_tasks.bigram_backcopy import BigramBackcopy
    from toy_tasks.simulator import Transformer
    from toy_tasks.task import Batch


@dataclass(frozen=True)
class Config(Training):
    """One-layer networks on the character bigrams of Tiny Shakespeare."""

    seeds: str = "0:2"
    steps: int = 800
    record: int = 800
    length: int = 48


PROFILES = {"quick": Config(), "full": Config(**PUBLISHED | {"record": 10_000})}


def parts(config: Config) -> list[Config]:
    """The seeds apart."""
    return [replace(config, seeds=seed) for seed in config.apart()]


def simulate(config: Config) -> xr.Dataset:
    """At the start and the end: the map of one sequence, and value norms and attention by token."""
    from toy_tasks.bigram_backcopy import BackcopyMeasures
    from toy_tasks.simulator import Transformer

    task = config.task("shakespeare")
    model = Transformer(width=config.width).sized_for(task)
    backcopy, tokens = BackcopyMeasures(task, model), TokenMeasures(task, model)
    token = ("token",)
    axes = {"weights": ("query", "key"), "sequence": ("query",)}
    axes |= {"value_of_token": token, "sink_of_query": token, "triggers_of_query": token}
    data = config.train(task, model, lambda params, batch: backcopy(params, batch) | tokens(params, batch), axes=axes)
    return data.assign_coords(token=[*task.table.symbols, "<s>"])


class TokenMeasures:
    """The map `weights` (t, t) and tokens `sequence` (t,) of the first sequence; and by token (V,), NaN where it does
    not occur: its mean value norm, and its queries' mean attention on <s> and on all triggers (positions >= 1)."""

    def __init__(self, task: BigramBackcopy, model: Transformer) -> None:
        import torch

        from toy_tasks.randomness import DeviceConstant

        self.task, self.model = task, model
        self.is_trigger = DeviceConstant(torch.from_numpy(task.is_trigger))

    def __call__(self, params: dict[str, torch.Tensor], batch: Batch) -> dict[str, torch.Tensor]:
        """Arrays by name, for one replica: tokens (b, t)."""
        import torch

        tokens, is_trigger = batch["tokens"], self.is_trigger.on(batch["tokens"].device)
        layer = self.model.forward(params, tokens).layers[0]
        weights = layer.weights.mean(dim=1)
        on_triggers = (weights @ is_trigger[tokens].to(weights.dtype)[..., None]).squeeze(-1)
        occurs = (tokens[..., None] == torch.arange(self.task.vocabulary, device=tokens.device)).to(weights.dtype)

        def mean(values: torch.Tensor, occurs: torch.Tensor) -> torch.Tensor:
            return (values[..., None] * occurs).sum(dim=(0, 1)) / occurs.sum(dim=(0, 1))

        return {
            "weights": weights[0],
            "sequence": tokens[0].to(weights.dtype),
            "value_of_token": mean(layer.values.norm(dim=-1), occurs),
            "sink_of_query": mean(weights[:, 1:, 0], occurs[:, 1:]),
            "triggers_of_query": mean(on_triggers[:, 1:], occurs[:, 1:]),
        }


def predict(config: Config) -> xr.Dataset:
    """Which tokens are triggers, and how often each token is a query."""
    import xarray as xr

    task = config.task("shakespeare")
    variables = {"is_trigger": ("token", task.is_trigger), "frequency": ("token", task.query_frequency())}
    return xr.Dataset(variables, coords={"token": [*task.table.symbols, "<s>"]})


# -------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Characters of Tiny Shakespeare, 800 steps of the quick profile, seeds 0 and 1: non-trigger queries pay
    more than 0.8 of their attention to tokens that are never copied (<s> and the triggers).""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def dormant_queries_look_at_what_is_never_copied() -> float:
    return 0.8 - float(results("attention_patterns").uncopied_weight.isel(step=-1).min())


def _trained() -> tuple[Any]:
    return (results("attention_patterns"),)


@claim(
    statement="""In a trained head every query token that is no trigger pays more than half of its attention to <s>.""",
    source=GUO_2024,
    kind="refuted",
    tolerance=0.5,
    counterexample=_trained,
)
def every_dormant_token_looks_at_the_begin_token(data: object) -> float:
    """1 - the least mean attention on <s> over seeds and query tokens that are no trigger. A published map shows this
    pattern after three of its rows were assigned by hand; ours is drawn as computed."""
    last: xr.DataArray = data.sink_of_query.isel(step=-1)  # type: ignore[attr-defined]
    plain = ~data.is_trigger & (data.token != "<s>")  # type: ignore[attr-defined]
    return 1.0 - float(last.where(plain).min())


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """At the end of training, over all seeds."""
    last = data.isel(step=-1)
    plain = data.token[~data.is_trigger.values].values[:-1]
    values, norms = last.value_of_token, last.value_of_token.sel(token=plain)
    common = norms.where(data.frequency.sel(token=plain) > 0.002)
    return [
        Check("trigger queries: attention on the token before, least seed", 0.7, float(last.copy_weight.min()),
              relation=">"),
        Check("other queries: attention on tokens never copied, least seed", 0.8, float(last.uncopied_weight.min()),
              relation=">", claim=dormant_queries_look_at_what_is_never_copied),
        Check("value norm of <s> / mean of common copied tokens, largest seed", 0.3,
              float((values.sel(token="<s>") / common.mean("token")).max()), relation="<"),
        Check("value norm of triggers / mean of common copied tokens, largest seed", 1.0,
              float((values.sel(token=data.token[data.is_trigger]).mean("token") / common.mean("token")).max()),
              relation="<"),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """The map of one sequence, value norms by token, and where each query token looks (seed 0)."""
    from matplotlib.figure import Figure

    out = Figure(figsize=(12.6, 4.0))
    left, middle, right = out.subplots(1, 3, width_ratios=(1.15, 1, 1))
    one = data.isel(seed=0, step=-1)
    _map(left, one)
    triggers, begin = data.is_trigger.values, data.token.values == "<s>"
    kinds = {"copied": ~triggers & ~begin, "trigger": triggers, "<s>": begin}
    order = np.argsort(-np.where(begin, 2.0, data.frequency.values + triggers))
    place = np.argsort(order)
    for index, (kind, chosen) in enumerate(kinds.items()):
        shown = chosen & ((data.frequency.values > 0.002) | triggers | begin)
        middle.plot(place[shown], one.value_of_token.values[shown], "os^"[index], color=f"C{index}", label=kind,
                    markerfacecolor="none")  # fmt: skip
    middle.set(xlabel="token: <s>, triggers, others by frequency", ylabel="$\\|W_o v\\|$", ylim=(0, None),
               title="Values that are never copied drain")  # fmt: skip
    middle.legend()
    copied = kinds["copied"] & ~np.isnan(one.sink_of_query.values)
    area = 400 * data.frequency.values[copied] + 5
    right.plot([0, 1], [1, 0], color="0.5", linewidth=0.8)
    right.scatter(one.sink_of_query.values[copied], one.triggers_of_query.values[copied], s=area, facecolors="none",
                  edgecolors="C0")  # fmt: skip
    right.set(xlabel="attention on <s>", ylabel="attention on triggers", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03),
              title="One circle per query token: a sink each")  # fmt: skip
    return out


def _map(axes: Axes, one: xr.Dataset) -> None:
    tokens, length = one.sequence.values.astype(int), min(28, one.sizes["query"])
    axes.imshow(one.weights.values[:length, :length], cmap="cividis", vmin=0, vmax=1)
    names = [{" ": "\N{OPEN BOX}", "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"}.get(str(one.token.values[t]),
             str(one.token.values[t])) for t in tokens[:length]]  # fmt: skip
    for row in np.flatnonzero(one.is_trigger.values[tokens[:length]]):
        axes.axhline(float(row), color="w", linewidth=0.4, linestyle=":")
    axes.set_xticks(range(length), names, fontsize=6)
    axes.set_yticks(range(length), names, fontsize=6)
    axes.set(xlabel="key", ylabel="query", title="Attention as computed (seed 0)")
    axes.grid(False)


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
