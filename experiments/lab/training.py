"""From what `simulate` of the toy tasks returns to the Dataset that an experiment stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

    from toy_tasks.simulator import Trajectories


def as_dataset(trained: Trajectories, **axes: tuple[str, ...]) -> xr.Dataset:
    """Measures with axes (seed, step, ...); `axes` names what follows, for measures that are not numbers."""
    import xarray as xr

    variables = {
        name: (("seed", "step", *axes.get(name, ())), values.double().numpy())
        for name, values in trained.values.items()
    }
    return xr.Dataset(variables, coords={"seed": list(trained.seeds), "step": list(trained.steps)})
