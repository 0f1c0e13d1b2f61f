"""Regularisation paths: loss minimisers over growing balls turn to the max-margin solutions, each in its norm.

Minimisers of the attention loss over ||W||_F <= R, and of K Q^T over ||K||^2 + ||Q||^2 <= 2 R, on the published random
problems (n = T = 5, d = 10) with every sequence selecting its best token. 1 - cos falls like R^-2 in both; for W its
constant is ||W_0||^2 / 2 with W_0 in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.attention_svm._training import cosine, selection
from experiments.lab.checks import Check
from experiments.lab.experiment import results, seed_range
from theory.claims import claim
from theory.numerics import fitted_slope
from theory.papers import TARZANAGH_2023

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.attention_svm import TokenSelection
    from theory.attention_svm.solver import Norm
    from toy_tasks.token_selection import SelectionProblems

NORMS: tuple[Norm, ...] = ("frobenius", "nuclear")
RADII = (10.0, 30.0, 100.0, 300.0, 1000.0)
# by an independent script, medians over 30 problems: 1 - cos, the miss of the nuclear margin ratio, and 1 - cos over
# ||W_0||^2 / (2 R^2)
REFERENCE = {
    "frobenius": {10.0: 9.7e-3, 30.0: 1.6e-3, 100.0: 1.8e-4, 300.0: 2.0e-5, 1000.0: 1.8e-6},
    "nuclear": {10.0: 1.2e-2, 30.0: 1.7e-3, 100.0: 2.2e-4},
}
REFERENCE_MARGIN = {10.0: 0.133, 30.0: 0.048, 100.0: 0.014}
REFERENCE_LEVEL = {30.0: 0.66, 100.0: 0.82, 300.0: 0.92, 1000.0: 0.97}


@dataclass(frozen=True)
class Config:
    """Problems by seed."""

    seeds: str = "0:12"
    batch: int = 6
    """How many problems are one part of the work."""

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, got {self.batch!r}")


PROFILES = {"quick": Config(), "full": Config(seeds="0:30")}


def parts(config: Config) -> list[Config]:
    """A few problems at a time."""
    seeds = seed_range(config.seeds)
    groups = [seeds[i : i + config.batch] for i in range(0, len(seeds), config.batch)]
    return [replace(config, seeds=",".join(map(str, group))) for group in groups]


def problems_of(config: Config) -> SelectionProblems:
    """The published problems."""
    from toy_tasks.token_selection import linear_problems

    return linear_problems(seed_range(config.seeds), sequences=5, length=5, dim=10)


def simulate(config: Config) -> xr.Dataset:
    """1 - cos to the solution and margin ratio at every radius, in units of the solution's norm, for both norms."""
    import torch
    import xarray as xr

    problems = problems_of(config)
    program, scores = selection(problems, problems.optimal()), problems.scores()
    found = {name: np.empty((len(scores), len(NORMS), len(RADII))) for name in ("angle", "margin")}
    for column, norm in enumerate(NORMS):
        for row in range(len(scores)):
            one = selection(problems.take(torch.tensor([row])), program.selected[row : row + 1])
            angle, margin = _path(one, scores[row : row + 1], norm)
            found["angle"][row, column], found["margin"][row, column] = angle, margin
    coords = {"seed": seed_range(config.seeds), "norm": list(NORMS), "radius": list(RADII)}
    return xr.Dataset({name: (("seed", "norm", "radius"), value) for name, value in found.items()}, coords=coords)


def _path(program: TokenSelection, scores: object, norm: Norm) -> tuple[np.ndarray, np.ndarray]:
    """1 - cos and margin ratio of one problem's minimisers, (radius,)."""
    import torch

    from theory.attention_svm import regularization_path, solve

    solution = solve(program, norm)
    radii = torch.tensor(RADII, dtype=torch.float64) * solution.value
    path = regularization_path(program, scores, radii, norm=norm, rounds=200)[0]  # type: ignore[arg-type]
    margins = torch.stack([program.margins().of(w[None]).min() for w in path])
    return (1 - cosine(path, solution.weights)).numpy(), (margins * solution.value / radii).numpy()


def predict(config: Config) -> xr.Dataset:
    """For large radii of the Frobenius ball, 1 - cos times the square of the radius and 1 - margin ratio times it."""
    import torch
    import xarray as xr

    from theory.attention_svm import logistic_loss_weights, second_order_shift, solve

    problems = problems_of(config)
    program = selection(problems, problems.optimal())
    solution = solve(program)
    shift = second_order_shift(program, solution, logistic_loss_weights(problems.scores(), program.selected))
    angle = (torch.linalg.matrix_norm(shift) / solution.value).square() / 2
    margin = -torch.where(solution.support.flatten(1), program.margins().of(shift), torch.inf).amin(dim=-1)
    constants = {"angle_constant": ("seed", angle.numpy()), "margin_constant": ("seed", margin.numpy())}
    return xr.Dataset(constants, coords={"seed": seed_range(config.seeds)})


# -------------------------------------------------------------------------------------------------------------- claims


def rate(data: xr.Dataset, norm: str, name: str) -> float:
    """The slope of the log of the median of `name` against log radius, from 100 solutions' norms on."""
    far = data.sel(norm=norm, radius=slice(100, None))
    values = far.angle if name == "angle" else 1 - far.margin
    return fitted_slope(np.log(far.radius), np.log(values.median("seed")))


@claim(
    statement="""Loss minimisers over Frobenius and nuclear balls (12 random problems) turn to the solution of the same
    norm: from 100 to 1000 times its norm the median 1 - cos falls with the radius at a rate of -2, within 0.15, and 1 -
    margin ratio at -1, within 0.1.""",
    source=TARZANAGH_2023,
    kind="trend",
    tolerance=0.0,
)
def paths_turn_to_the_solution_of_their_norm() -> float:
    data = results("svm_regularization_path")
    angles = max(abs(rate(data, norm, "angle") + 2) for norm in NORMS)
    margins = max(abs(rate(data, norm, "margin") + 1) for norm in NORMS)
    return max(angles - 0.15, margins - 0.1)


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Rates, the constant, and with the reference's 30 problems its medians."""
    turned = paths_turn_to_the_solution_of_their_norm
    found = []
    for norm in NORMS:
        found.append(Check(f"{norm}: rate of 1 - cos", -2.0, rate(data, norm, "angle"), 0.15, claim=turned))
        found.append(Check(f"{norm}: rate of 1 - margin ratio", -1.0, rate(data, norm, "margin"), 0.1, claim=turned))
    for name, value in levels(data).items():
        found.append(Check(f"Frobenius: {name} over its prediction at the largest radius, median", 1.0,
                           float(value[-1]), 0.05))  # fmt: skip
    return found + (_reference(data) if data.sizes["seed"] == 30 else [])


def levels(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """Both misses of the Frobenius path over their predictions, medians over problems."""
    path = data.sel(norm="frobenius")
    return {
        "1 - cos": (path.angle * data.radius**2 / data.angle_constant).median("seed"),
        "1 - margin ratio": ((1 - path.margin) * data.radius / data.margin_constant).median("seed"),
    }


def _reference(data: xr.Dataset) -> list[Check]:
    """Medians over 30 problems of the same law, to a tenth: the reference does not record which problems it drew."""
    level = data.angle.sel(norm="frobenius") * data.radius**2 / data.angle_constant
    tables = [(f"{norm}: median 1 - cos", data.angle.sel(norm=norm), REFERENCE[norm]) for norm in NORMS]
    tables.append(("nuclear: median 1 - margin ratio", 1 - data.margin.sel(norm="nuclear"), REFERENCE_MARGIN))
    tables.append(("Frobenius: 1 - cos over its prediction", level, REFERENCE_LEVEL))
    found = []
    for what, values, expected in tables:
        for radius, value in expected.items():
            observed = float(values.median("seed").sel(radius=radius))
            found.append(Check(f"{what} at radius {radius:g}", value, observed, 0.1 * value))
    return found


def figure(data: xr.Dataset) -> Figure:
    """Both misses over the radius, and the Frobenius path over its prediction."""
    from experiments.lab.figures import panels, points

    out, (angle, margin, ratio) = panels(3, width=3.6, height=3.1)
    grid = data.radius
    angle.plot(grid, data.angle_constant.median() / grid**2, color="0.3", label="$\\|W_0\\|^2 / (2 R^2)$, Frobenius")
    margin.plot(grid, data.margin_constant.median() / grid, color="0.3", label="predicted from $W_0$, Frobenius")
    for index, norm in enumerate(NORMS):
        name = f"{norm.replace('f', 'F')} ball"
        points(angle, grid, data.angle.sel(norm=norm), index=index, label=name)
        points(margin, grid, 1 - data.margin.sel(norm=norm), index=index, label=name)
    ratio.axhline(1.0, color="0.3", label="predicted limit")
    points(
        ratio, grid, data.angle.sel(norm="frobenius") * grid**2 / data.angle_constant, index=0, label="Frobenius ball"
    )
    angle.set(title="1 - cos to the solution", yscale="log", ylabel="1 - cos")
    margin.set(title="1 - margin ratio", yscale="log", ylabel="1 - ratio")
    ratio.set(title="1 - cos over its prediction", ylim=(0, None))
    for axes in (angle, margin, ratio):
        axes.set(xscale="log", xlabel="radius / norm of the solution")
        axes.legend(loc="best", fontsize=6.5)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
