"""Max-margin token selection by a trained prompt: the published examples in the plane.

f = v^T X^T softmax(X p) with v fixed, normalised descent on p, rate 0.1. From left to right: one sequence whose third
token is worth 0.9 (all starts end at the best token) or 0 (some end at the locally optimal one); three sequences; two
sequences of which one is worth C, with the losses -u and log(1 + e^{-u}), which forgets the first at C = 100 until the
second is settled as well; and prompt and head trained together, where the third sequence binds the prompt only if it is
a support vector of the head. Lines are the programs' solutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.attention_svm._training import RATE
from experiments.lab.checks import Check
from experiments.lab.experiment import require, results
from theory.claims import claim
from theory.papers import TARZANAGH_2023_MMTS

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from theory.attention_svm import Solution

STARTS = {
    "one sequence, 0.9": [(0.0, y) for y in (1.0, 0.5, 0.0, -0.5, -1.0, -1.5)],
    "one sequence, 0": [(0.0, y) for y in (1.0, 0.5, 0.0, -0.5, -1.0, -1.5)],
    "three sequences": [(x, 0.0) for x in (1.0, 0.5, 0.0, -0.5, -1.0, -1.5)],
}
SCORES = (1.0, 2.0, 5.0, 10.0, 100.0)
LOSSES = ("linear", "logistic")
HEIGHTS = (1.0, 1.5)
PUBLISHED = {  # |p|^2 / 2 in the published solver logs
    "one sequence, best token": 0.49505,
    "one sequence, second token": 0.5,
    "three sequences, published": 0.31319,
    "joint, 1": 0.94444,
    "joint, 1.5": 0.5,
}


@dataclass(frozen=True)
class Config:
    """Everything is published but the number of steps."""

    steps: int = 1000

    def __post_init__(self) -> None:
        require(self, steps=1000)

    @property
    def recorded(self) -> list[int]:
        """Every tenth step to 200, then every fiftieth."""
        return [*range(0, 201, 10), *range(250, self.steps + 1, 50)]


PROFILES = {"quick": Config(), "full": Config(steps=6000)}


def example(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and scores of one of `STARTS`."""
    from toy_tasks.token_selection import one_sequence, three_sequences

    if name == "three sequences":
        return three_sequences()
    return one_sequence(float(name.rpartition(" ")[2]))


def simulate(config: Config) -> xr.Dataset:
    """Paths of prompts (and heads), and what they select."""
    import xarray as xr

    walks = [_prompts(name, config) for name in STARTS]
    prompts, heads = _jointly(config)
    data = {
        "prompt": (("example", "start", "step", "axis"), np.array([path for path, _ in walks])),
        "selected": (("example", "start"), np.array([selected for _, selected in walks])),
        "worth": (("loss", "score", "step", "axis"), np.array([_worth(loss, config) for loss in LOSSES])),
        "joint_prompt": (("height", "step", "axis"), prompts),
        "joint_head": (("height", "step", "axis"), heads),
    }
    coords = {"example": list(STARTS), "loss": list(LOSSES), "score": list(SCORES), "height": list(HEIGHTS)}
    return xr.Dataset(data, coords=coords | {"step": config.recorded})


def _prompts(name: str, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """(start, step, axis) prompts on one of the examples, and what each selects in its first sequence."""
    import torch

    from toy_tasks.token_selection import KernelWeights, NormalizedDescent, prompt_problem, train

    starts = torch.tensor(STARTS[name], dtype=torch.float64)[..., None]
    problems = prompt_problem(*example(name), len(starts))
    trained = train(
        problems, KernelWeights(starts), NormalizedDescent(RATE), steps=config.steps, record=config.recorded
    )
    return trained.weights[..., 0].numpy(), trained.selected[:, 0].numpy()


def _worth(loss: str, config: Config) -> np.ndarray:
    """(score, step, axis) prompts on two sequences of which one is worth C."""
    import torch

    from toy_tasks.token_selection import KernelWeights, NormalizedDescent, prompt_problem, train, two_sequences

    tokens, scores = two_sequences(1.0)[0], torch.stack([two_sequences(c)[1] for c in SCORES])
    problems, rule = prompt_problem(tokens, scores, len(SCORES)), NormalizedDescent(RATE)
    trained = train(problems, KernelWeights(), rule, steps=config.steps, record=config.recorded, loss=loss)
    return trained.weights[..., 0].numpy()


def _jointly(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """(height, step, axis) prompts and heads."""
    import torch

    from toy_tasks.token_selection import NormalizedDescent, labelled_sequences, train_jointly

    pairs = [labelled_sequences(height) for height in HEIGHTS]
    tokens, labels = (torch.stack(parts).double() for parts in zip(*pairs, strict=True))
    prompt, head = (torch.tensor([start] * len(pairs), dtype=torch.float64) for start in ((0.0, -1.0), (-1.0, 0.0)))
    rule = NormalizedDescent(RATE)
    trained = train_jointly(tokens, labels, prompt, head, rule, steps=config.steps, record=config.recorded)
    return trained.prompts.numpy(), trained.heads.numpy()


def predict(config: Config) -> xr.Dataset:
    """Solutions p of the programs for a prompt (in the plane), and v for the head; half their squared norms.

    The published program for three sequences has the score as a third coordinate, which attention does not see.
    """
    import torch
    import xarray as xr

    from theory.attention_svm import joint_margins, prompt_margins, solve
    from toy_tasks.token_selection import labelled_sequences, two_sequences

    def for_prompt(tokens: torch.Tensor, selected: list[int]) -> Solution:
        return solve(prompt_margins(tokens.double(), torch.tensor(selected)))

    three, worth = example("three sequences")
    found = {
        "one sequence, best token": for_prompt(example("one sequence, 0")[0], [0]),
        "one sequence, second token": for_prompt(example("one sequence, 0")[0], [1]),
        "three sequences": for_prompt(three, [0, 0, 0]),
        "three sequences, published": for_prompt(torch.cat([three, worth[..., None]], dim=-1), [0, 0, 0]),
        "two sequences": for_prompt(two_sequences(1.0)[0], [1, 1]),
    }
    for height in HEIGHTS:
        tokens, labels = (part.double() for part in labelled_sequences(height))
        joint = joint_margins(tokens, tokens, labels, torch.tensor([1, 1, 1]))
        found |= {f"joint, {height:g}": joint.prompt, f"joint head, {height:g}": joint.head}
    data = {
        "solution": (("program", "axis"), np.array([one.weights[:2, 0].numpy() for one in found.values()])),
        "half_square": ("program", np.array([float(one.value) ** 2 / 2 for one in found.values()])),
    }
    return xr.Dataset(data, coords={"program": list(found)})


# -------------------------------------------------------------------------------------------------------------- claims


def to(path: xr.DataArray, data: xr.Dataset, program: str) -> np.ndarray:
    """Cosine of two-vectors to the solution of a program."""
    wanted = data.solution.sel(program=program)
    return ((path * wanted).sum("axis") / np.sqrt((path**2).sum("axis") * (wanted**2).sum("axis"))).values


def prompt_cosines(data: xr.Dataset) -> np.ndarray:
    """At step 1000, of every example and start, to the program of the token selected."""
    found = []
    for name in STARTS:
        here = data.sel(example=name, step=1000)
        for start in range(here.sizes["start"]):
            token = int(here.selected[start])
            program = name if name == "three sequences" else f"one sequence, {('best', 'second')[token]} token"
            found.append(float(to(here.prompt[start], data, program)))
    return np.array(found)


@claim(
    statement="""Normalised descent on a prompt turns it to the max-margin solution of the tokens that it selects, best
    or locally optimal: cosine above 0.999 after 1000 steps from each of 18 published starts.""",
    source=TARZANAGH_2023_MMTS,
    kind="trend",
    tolerance=0.0,
)
def prompts_turn_to_the_solution_of_what_they_select() -> float:
    return 0.999 - float(prompt_cosines(results("svm_max_margin_tokens")).min())


@claim(
    statement="""Trained together with a head, the prompt turns to the program in which only support vectors of the head
    bind, whether the third sequence is one or not (cosine above 0.99 after 1000 steps).""",
    source=TARZANAGH_2023_MMTS,
    kind="trend",
    tolerance=0.0,
    status="as recalled",
)
def prompt_is_bound_by_support_vectors_of_the_head() -> float:
    data = results("svm_max_margin_tokens").sel(step=1000)
    return 0.99 - min(float(to(data.joint_prompt.sel(height=h), data, f"joint, {h:g}")) for h in HEIGHTS)


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Values of the programs, selections and directions at step 1000."""
    at = data.sel(step=1000)
    turn, bound = prompts_turn_to_the_solution_of_what_they_select, prompt_is_bound_by_support_vectors_of_the_head
    found = []
    for program, value in PUBLISHED.items():
        half = float(data.half_square.sel(program=program))
        found.append(Check(f"{program}: |p|^2 / 2 of the solution", value, half, 5e-6))
    chosen = data.selected.sel
    found += [
        Check("one sequence, 0.9: starts that select the best token, of 6", 6,
              int((chosen(example="one sequence, 0.9") == 0).sum())),
        Check("one sequence, 0: starts that select the second token, at least one of 6", 1,
              int((chosen(example="one sequence, 0") == 1).sum()), relation=">"),
        Check("prompts: least cosine to the solution of what is selected", 0.999, float(prompt_cosines(data).min()),
              relation=">", claim=turn),
    ]  # fmt: skip
    for loss in LOSSES:
        least = float(to(at.worth.sel(loss=loss, score=slice(None, 10)), data, "two sequences").min())
        found.append(Check(f"two sequences, {loss} loss, C <= 10: least cosine", 0.99, least, relation=">"))
    slow = float(to(at.worth.sel(loss="logistic", score=100), data, "two sequences"))
    found.append(Check("two sequences, logistic loss, C = 100: cosine, still", 0.95, slow, relation="<"))
    for height in HEIGHTS:
        for what, program in (("prompt", "joint"), ("head", "joint head")):
            cosine = float(to(at[f"joint_{what}"].sel(height=height), data, f"{program}, {height:g}"))
            found.append(Check(f"joint, third token at {height:g}: cosine of the {what}", 0.99, cosine, relation=">",
                               claim=bound))  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """Paths of the first 200 steps, and solutions."""
    from experiments.lab.figures import panels

    out, axes = panels(5, width=3.0, height=3.2)
    early = data.sel(step=slice(0, 200))
    programs = {"one sequence, 0.9": ("one sequence, best token", "one sequence, second token"),
                "one sequence, 0": ("one sequence, best token", "one sequence, second token"),
                "three sequences": ("three sequences",)}  # fmt: skip
    for plane, name in zip(axes[:3], STARTS, strict=True):
        rays(plane, data, programs[name])
        for start in range(data.sizes["start"]):
            walk(plane, early.prompt.sel(example=name).isel(start=start), start, None)
        plane.set(title=f"{name}: p")
    rays(axes[3], data, ("two sequences",))
    for index, (loss, score) in enumerate((loss, score) for loss in LOSSES for score in (1.0, 10.0, 100.0)):
        walk(axes[3], early.worth.sel(loss=loss, score=score), index, f"{loss}, C = {score:g}")
    axes[3].set(title="two sequences: p")
    rays(axes[4], data, tuple(f"{what}, {h:g}" for h in HEIGHTS for what in ("joint", "joint head")))
    for index, (what, height) in enumerate((what, h) for what in ("prompt", "head") for h in HEIGHTS):
        walk(axes[4], early[f"joint_{what}"].sel(height=height), index, f"{what}, third at {height:g}")
    axes[4].set(title="prompt and head together")
    for plane in axes:
        plane.set_aspect("equal", adjustable="datalim")
        plane.legend(loc="best", fontsize=5.5)
    return out


def rays(plane: Axes, data: xr.Dataset, programs: tuple[str, ...]) -> None:
    """The directions of solutions, 20 long, each line style once."""
    for style, program in zip(("-", "--", ":", "-."), programs, strict=False):
        end = data.solution.sel(program=program).values
        end = 20 * end / np.linalg.norm(end)
        plane.plot([0, end[0]], [0, end[1]], style, color="0.4", linewidth=1, label=program)


def walk(plane: Axes, path: xr.DataArray, index: int, label: str | None) -> None:
    """Points of a path."""
    from experiments.lab.figures import MARKERS

    style: dict[str, Any] = {"color": f"C{index}", "markerfacecolor": "none", "markersize": 3}
    plane.plot(*path.values.T, MARKERS[index], label=label, **style)


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
