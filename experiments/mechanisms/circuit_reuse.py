"""Shared heads: two questions that name an object by its key are answered through the same heads, beyond chance.

One attention layer of six heads learns to tell the colour and the size of an object named by its key, and, as a
control, the colour of the object in a numbered slot; every question has its own queries and its own read-out. Left: the
attention of each head on the asked object. Right: how many of the three strongest heads two questions share; line: the
hypergeometric law of unrelated questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from theory.claims import claim
from theory.papers import MERULLO_2023

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

TOP = 3
"""So many heads count as the circuit of a question."""
PAIRS = {"same key": (0, 1), "key and slot": (0, 2)}


@dataclass(frozen=True)
class Config:
    """Adam on fresh batches of `batch` examples, each with all three questions."""

    heads: int = 6
    channels: int = 4
    steps: int = 250
    batch: int = 64
    learning_rate: float = 1e-2
    seeds: str = "0:6"

    def __post_init__(self) -> None:
        require(self, heads=TOP, channels=1, steps=0, batch=1)


PROFILES = {"quick": Config(), "full": Config(seeds="0:64")}


def simulate(config: Config) -> xr.Dataset:
    """`accuracy` (seed, question) and `mass` (seed, question, head): mean attention on the asked object."""
    import xarray as xr

    from experiments.mechanisms._objects import QUESTIONS, ObjectReader, Objects
    from toy_tasks.simulator import Adam, simulate
    from toy_tasks.threads import one_thread

    seeds, task = seed_range(config.seeds), Objects()
    model = ObjectReader(task, config.heads * config.channels, config.heads)
    with one_thread():
        trained = simulate(
            task, model, Adam(config.learning_rate), seeds=seeds, steps=config.steps, batch=config.batch,
            measures=model.measures, evaluation=512, chunk=min(8, len(seeds)),
        )  # fmt: skip
    return xr.Dataset(
        {
            "accuracy": (("seed", "question"), trained["accuracy"][:, -1].double().numpy()),
            "mass": (("seed", "question", "head"), trained["mass"][:, -1].double().numpy()),
        },
        coords={"seed": seeds, "question": list(QUESTIONS), "head": np.arange(config.heads)},
    )


def predict(config: Config) -> xr.Dataset:
    """`chance` (shared,) of the number of heads that unrelated questions share."""
    import xarray as xr

    from theory.mechanisms.credit.shared_heads import chance_overlap

    law = chance_overlap(config.heads, TOP, TOP)
    return xr.Dataset({"chance": ("shared", law)}, coords={"shared": np.arange(TOP + 1)})


def shared(data: xr.Dataset, pair: str) -> np.ndarray:
    """(seed,) How many of their strongest heads a pair of questions shares."""
    from theory.mechanisms.credit.shared_heads import top_heads

    one, two = (top_heads(data.mass.values[:, q], TOP) for q in PAIRS[pair])
    return (one[:, :, None] == two[:, None, :]).sum(axis=(1, 2))


def correlation(data: xr.Dataset, pair: str) -> np.ndarray:
    """(seed,) Of the heads' attention on the asked object, over heads."""
    return np.array([np.corrcoef(mass[list(PAIRS[pair])])[0, 1] for mass in data.mass.values])


# -------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""One layer of six heads, trained on two questions by an object's key and one by its slot (Adam, 250
    steps): of the three heads that attend most to the asked object the two questions by key share at least 2 on
    average, against 1.5 by chance, and key and slot at most 1; seeds 0 to 5.""",
    source=MERULLO_2023,
    kind="trend",
    tolerance=0.0,
)
def questions_by_the_same_key_share_heads() -> float:
    """The larger shortfall."""
    data = results("circuit_reuse")
    return float(max(2 - shared(data, "same key").mean(), shared(data, "key and slot").mean() - 1))


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """What was learned, what is shared, and what is not."""
    same, other = "same key", "key and slot"
    claimed = questions_by_the_same_key_share_heads
    return [
        Check("accuracy, worst seed and question", 0.95, float(data.accuracy.min()), relation=">"),
        Check("heads shared by the two questions by key, mean over seeds", 2.0, float(shared(data, same).mean()),
              relation=">", claim=claimed),
        Check("heads shared by key and slot, mean over seeds", 1.0, float(shared(data, other).mean()),
              relation="<", claim=claimed),
        Check("same key: correlation of the heads' attention, median over seeds", 0.7,
              float(np.median(correlation(data, same))), relation=">"),
        Check("key and slot: correlation of the heads' attention, largest over seeds", 0.0,
              float(correlation(data, other).max()), relation="<"),
    ]  # fmt: skip


def _open(index: int) -> dict[str, Any]:
    return {"color": f"C{index}", "markerfacecolor": "none"}


def figure(data: xr.Dataset) -> Figure:
    """Attention of each head, and the number of shared heads against chance."""
    from experiments.lab.figures import MARKERS, panels

    out, (left, right) = panels(2, width=3.4, height=3.0)
    left.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=":")
    right.plot(data.shared, data.chance, color="0.3", label="chance")
    for index, (pair, (one, two)) in enumerate(PAIRS.items()):
        mass, style = data.mass.values, _open(index)
        left.plot(mass[:, one].ravel(), mass[:, two].ravel(), MARKERS[index], **style, label=data.question.values[two])
        seen = np.bincount(shared(data, pair), minlength=TOP + 1) / data.sizes["seed"]
        right.plot(data.shared, seen, MARKERS[index], **style, label=pair)
    left.set(xlabel=f"attention, {data.question.values[0]}", ylabel="attention, other question", title="each head")
    right.set(xlabel="shared heads", ylabel="share of networks", xticks=data.shared, title=f"the {TOP} strongest heads")
    left.set_ylim(-0.05, 1.25)
    left.legend(loc="upper center", ncols=2)
    right.legend(loc="upper center")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
