"""What the trained experiments of this topic share: their settings, their tasks, and training to a Dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.lab.experiment import seed_range

if TYPE_CHECKING:
    import xarray as xr

    from toy_tasks.bigram_backcopy import BigramBackcopy
    from toy_tasks.simulator import Transformer
    from toy_tasks.simulator.engine import Measures
    from toy_tasks.simulator.optimizers import Optimizer

TABLES = ("synthetic", "shakespeare")
PUBLISHED: dict[str, Any] = {
    "seeds": "0:4",
    "steps": 10_000,
    "record": 500,
    "length": 256,
    "batch": 512,
    "width": 256,
    "learning_rate": 3e-4,
    "device": "cuda",
}
"""The published size, for the full profiles."""


@dataclass(frozen=True)
class Training:
    """AdamW on fresh batches of Bigram-Backcopy: what every trained experiment of this topic can set."""

    seeds: str = "0:3"
    """One replica per seed, such as 0:5."""
    steps: int = 600
    record: int = 100
    """Steps between two records; the first and the last are always there."""
    length: int = 32
    batch: int = 32
    width: int = 64
    learning_rate: float = 2e-3
    beta2: float = 0.99
    weight_decay: float = 1e-4
    triggers: int = 3
    """How many of the most frequent tokens are triggers."""
    evaluation: int = 128
    """Held-out sequences per replica on which everything is measured."""
    device: str = "cpu"

    def task(self, table: str = "synthetic") -> BigramBackcopy:
        """The task on one table; `ValueError` names the known tables."""
        from toy_tasks.bigram_backcopy import BigramBackcopy, BigramTable

        if table not in TABLES:
            raise ValueError(f"tables must be among {', '.join(TABLES)}, got {table!r}")
        made = BigramTable.synthetic() if table == "synthetic" else BigramTable.shakespeare()
        return BigramBackcopy(made, self.triggers, self.length)

    def apart(self, seeds: str | None = None) -> list[str]:
        """The seeds of every part: one at a time on the CPU; a GPU trains all of them together."""
        written = self.seeds if seeds is None else seeds
        return [written] if self.device != "cpu" else [str(seed) for seed in seed_range(written)]

    def adamw(self) -> Optimizer:
        """AdamW with these settings."""
        from toy_tasks.simulator import AdamW

        return AdamW(self.learning_rate, beta2=self.beta2, weight_decay=self.weight_decay)

    def train(
        self,
        task: BigramBackcopy,
        model: Transformer,
        measures: Measures,
        *,
        optimizer: Optimizer | None = None,
        axes: tuple[str, ...] | dict[str, tuple[str, ...]] = (),
    ) -> xr.Dataset:
        """Measures over training with axes (seed, step, ...); `axes` names what follows: of all, or by measure."""
        import xarray as xr

        from toy_tasks.simulator import simulate

        trained = simulate(
            task,
            model,
            optimizer or self.adamw(),
            seeds=seed_range(self.seeds),
            steps=self.steps,
            batch=self.batch,
            record=self.record,
            measures=measures,
            evaluation=self.evaluation,
            device=self.device,
        )
        own = axes if isinstance(axes, dict) else dict.fromkeys(trained.values, axes)
        return xr.Dataset(
            {name: (("seed", "step", *own.get(name, ())), v.double().numpy()) for name, v in trained.values.items()},
            coords={"seed": list(trained.seeds), "step": list(trained.steps)},
        )
