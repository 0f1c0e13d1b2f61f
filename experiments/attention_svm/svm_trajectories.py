"""Trajectories in the plane: descent on W and on factors K Q^T, drawn beside the directions of their convex programs.

The two published examples (n = d = 2, T = 3 and T = 5; normalised descent, rate 0.1, W from zero, K from 0.1 N(0, I)
and Q from zero). Shown is W z_i for both queries, for W with exact gradients and with the published arithmetic, and for
factors with exact gradients; rays are W_mm z_i. In the second example the published arithmetic stops at ||W|| = 58,
where its gradients drown in rounding, and its cosine to W_mm falls again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.attention_svm._training import RATE, cosine, selection
from experiments.lab.checks import Check
from experiments.lab.experiment import results, seed_range
from theory.claims import claim
from theory.papers import TARZANAGH_2023

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from toy_tasks.token_selection import SelectionProblems

STEPS = (*range(0, 101, 10), *range(150, 501, 50), *range(600, 2001, 100))
EXAMPLES = (3, 5)
RUNS = ("W stable", "W author", "KQ stable")
BEST = {3: (0, 2), 5: (0, 0)}
SOLUTIONS = {  # Frobenius and nuclear norms, by an independent script
    3: (8.685735, 9.754810),
    5: (1.526360, 1.872604),
}
FIRST_SOLUTION = np.array([[2.85369, -2.70294], [5.37124, 5.58053]])
REFERENCE = {
    3: {100: 0.62542, 500: 0.99413, 1000: 0.99867, 2000: 0.99968},
    5: {100: 0.99261, 500: 0.99920, 1000: 0.99979, 2000: 0.99995},
}
"""Cosine of W to W_mm, exact gradients."""


@dataclass(frozen=True)
class Config:
    """The seeds draw K alone: everything else is published and deterministic."""

    seeds: str = "0:8"
    last: int = 2000

    def __post_init__(self) -> None:
        if self.last < STEPS[-1]:
            raise ValueError(f"last must be at least {STEPS[-1]}, got {self.last!r}")

    @property
    def steps(self) -> list[int]:
        """Recorded steps."""
        return [*STEPS, *range(4000, self.last + 1, 2000)]


PROFILES = {"quick": Config(), "full": Config(seeds="0:64", last=20_000)}


def example(tokens: int, copies: int = 1) -> SelectionProblems:
    """One of the examples, as many times as there are starts."""
    import torch

    from toy_tasks.token_selection import plane_example

    return plane_example(tokens).take(torch.zeros(copies, dtype=torch.int64))


def simulate(config: Config) -> xr.Dataset:
    """W z_i and the size of W for every run (factors: of the first seed), cosines to both solutions."""
    import xarray as xr

    found = [[_trained(tokens, run, config) for run in RUNS] for tokens in EXAMPLES]
    dims = {"path": ("step", "query", "axis"), "size": ("step",), "frobenius": ("seed", "step"),
            "nuclear": ("seed", "step")}  # fmt: skip
    data = {
        name: (("example", "run", *own), np.array([[one[name] for one in row] for row in found]))
        for name, own in dims.items()
    }
    coords = {"example": list(EXAMPLES), "run": list(RUNS), "seed": seed_range(config.seeds), "step": config.steps}
    return xr.Dataset(data, coords=coords)


def _trained(tokens: int, run: str, config: Config) -> dict[str, np.ndarray]:
    """W does not depend on the seed and is trained once."""
    from theory.attention_svm import solve
    from toy_tasks.token_selection import Factors, KernelWeights, NormalizedDescent, train

    what, mode = run.split(" ")
    seeds = seed_range(config.seeds)
    problems = example(tokens, len(seeds) if what == "KQ" else 1)
    start = Factors(*_factors(seeds)) if what == "KQ" else KernelWeights()
    trained = train(problems, start, NormalizedDescent(RATE), steps=config.last, record=config.steps, mode=mode)
    program = selection(problems, problems.optimal())
    cosines = {
        norm: cosine(trained.weights, solve(program, norm).weights[:, None]).expand(len(seeds), -1).numpy()
        for norm in ("frobenius", "nuclear")
    }
    first = trained.weights[0]
    return {
        "path": (first @ problems.queries[0].mT).mT.numpy(),
        "size": first.flatten(1).norm(dim=1).numpy(),
        **cosines,
    }


def _factors(seeds: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    from toy_tasks.randomness import INITIAL, Key

    return 0.1 * Key.of(tuple(seeds), INITIAL).normal(2, 2), torch.zeros(len(seeds), 2, 2, dtype=torch.float64)


def predict(config: Config) -> xr.Dataset:
    """Both solutions for the best tokens: matrices, norms, and the rays W z_i."""
    import xarray as xr

    from theory.attention_svm import solve

    norms = ("frobenius", "nuclear")
    solutions = []
    for tokens in EXAMPLES:
        program = selection(example(tokens), example(tokens).optimal())
        solutions.append([solve(program, norm) for norm in norms])  # type: ignore[arg-type]
    weights = np.array([[s.weights[0].numpy() for s in row] for row in solutions])
    queries = np.array([example(tokens).queries[0].numpy() for tokens in EXAMPLES])
    return xr.Dataset(
        {
            "solution": (("example", "norm", "axis", "axis_"), weights),
            "value": (("example", "norm"), np.array([[float(s.value[0]) for s in row] for row in solutions])),
            "ray": (("example", "norm", "query", "axis"), np.einsum("enab,eqb->enqa", weights, queries)),
            "best": (("example", "query"), np.array([example(tokens).optimal()[0].numpy() for tokens in EXAMPLES])),
        },
        coords={"example": list(EXAMPLES), "norm": list(norms)},
    )


# -------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""In the published arithmetic longer training brings W closer in direction to W_mm (second example of the
    plane, from step 1000 to 2000).""",
    source=TARZANAGH_2023,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (),
)
def longer_training_comes_closer_in_published_arithmetic() -> float:
    run = results("svm_trajectories").frobenius.sel(example=5, run="W author").isel(seed=0)
    return float(run.sel(step=1000) - run.sel(step=2000))


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """The programs' values, cosines along the way, and where the published arithmetic stops."""
    found = []
    for tokens in EXAMPLES:
        here = data.sel(example=tokens)
        pairs = zip(("Frobenius", "nuclear"), SOLUTIONS[tokens], here.value.values, strict=True)
        wrong = int((here.best.values != np.array(BEST[tokens])).sum())
        found.append(Check(f"T = {tokens}: best tokens that differ from {BEST[tokens]}", 0, wrong))
        found += [
            Check(f"T = {tokens}: least {norm} norm", wanted, float(value), 1e-5) for norm, wanted, value in pairs
        ]
        cosines = here.frobenius.sel(run="W stable").isel(seed=0)
        found += [
            Check(f"T = {tokens}: cosine of W to W_mm at step {step}", wanted, float(cosines.sel(step=step)), 1e-4)
            for step, wanted in REFERENCE[tokens].items()
        ]
        factors = float(here.nuclear.sel(run="KQ stable", step=2000).median())
        what = f"T = {tokens}: cosine of K Q^T to the nuclear solution at step 2000, median over starts"
        found.append(Check(what, 0.99, factors, relation=">"))
    return found + _arithmetic(data)


def _arithmetic(data: xr.Dataset) -> list[Check]:
    off = np.abs(data.solution.sel(example=3, norm="frobenius").values - FIRST_SOLUTION).max()
    author = data.sel(example=5, run="W author")
    cosines, stalled = author.frobenius.isel(seed=0), longer_training_comes_closer_in_published_arithmetic
    return [
        Check("T = 3: W_mm, largest difference of an entry", 0.0, float(off), 1e-5),
        Check("T = 5, published arithmetic: ||W|| at step 2000 (200 without rounding)", 58.1,
              float(author["size"].sel(step=2000)), 0.1, claim=stalled),
        Check("T = 5, published arithmetic: cosine to W_mm at step 1000", 0.99992, float(cosines.sel(step=1000)), 1e-4,
              claim=stalled),
        Check("T = 5, published arithmetic: cosine to W_mm at step 2000", 0.99972, float(cosines.sel(step=2000)), 1e-4,
              claim=stalled),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Paths in the plane with rays, and 1 - cosine over training."""
    from experiments.lab.figures import panels

    out, (left, middle, right) = panels(3, width=3.8, height=3.4)
    for tokens, axes in ((3, left), (5, middle)):
        _plane(axes, data.sel(example=tokens, step=slice(10, 2000)))
        axes.set(title=f"T = {tokens}: $W z_i$, radius log(1 + r)", xlim=(-5, 5), ylim=(-5, 5), aspect="equal")
        axes.legend(loc="center left", fontsize=6)
    _misses(right, data)
    return out


def _log_radius(points: np.ndarray) -> np.ndarray:
    """Points (..., 2) in the same direction at radius log10(1 + r): rays stay rays."""
    radius = np.linalg.norm(points, axis=-1, keepdims=True)
    return points * np.log10(1 + radius) / radius


def _plane(axes: Axes, here: xr.Dataset) -> None:
    """Where W z_i and K Q^T z_i go, and the rays on which they should end."""
    from experiments.lab.figures import MARKERS

    runs = (("frobenius", "-", "W stable", "W"), ("nuclear", "--", "KQ stable", "$K Q^T$"))
    for row, (norm, style, run, name) in enumerate(runs):
        for query in range(2):
            end = _log_radius(1e5 * here.ray.sel(norm=norm).isel(query=query).values)
            label = f"{norm.replace('f', 'F')} solution" if query == 0 else None
            axes.plot([0, end[0]], [0, end[1]], style, color="0.4", linewidth=1, label=label)
            index = 2 * row + query
            path = _log_radius(here.path.sel(run=run).isel(query=query).values)
            axes.plot(*path[::2].T, MARKERS[index], color=f"C{index}", markerfacecolor="none", markersize=3.5,
                      label=f"{name} $z_{query + 1}$")  # fmt: skip


def _misses(axes: Axes, data: xr.Dataset) -> None:
    """1 - cosine to the solution; the line has the slope that exact descent on W should have."""
    from experiments.lab.figures import points

    later = data.sel(step=slice(20, None))
    curves = ((3, "W stable"), (5, "W stable"), (5, "W author"), (3, "KQ stable"), (5, "KQ stable"))
    names = {"W stable": "W", "W author": "W as published", "KQ stable": "$K Q^T$"}
    for index, (tokens, run) in enumerate(curves):
        norm = "nuclear" if run.startswith("KQ") else "frobenius"
        values = 1 - later[norm].sel(example=tokens, run=run)
        points(axes, later.step, values, index=index, label=f"T = {tokens}, {names[run]}", every=2)
    steps = later.step.values
    end = 1 - float(later.frobenius.sel(example=3, run="W stable").isel(seed=0, step=-1))
    axes.plot(steps, end * (steps[-1] / steps) ** 2, color="0.3", label="slope -2")
    axes.set(xscale="log", yscale="log", ylim=(3e-6, 2), xlabel="step", title="1 - cosine to the solution")
    axes.legend(loc="lower left", fontsize=6)


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
