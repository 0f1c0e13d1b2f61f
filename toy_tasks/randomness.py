"""Keyed randomness: every number is a pure function of (seed, stream, step, index), on any device.

The generator is threefry2x32 with 20 rounds (Salmon et al. 2011) in int32 tensor arithmetic: key = (seed, stream),
counter = (step, index). What replica r draws never depends on its batch-mates, their number or the device: integers are
equal everywhere, floats to rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from toy_tasks.validation import seed_numbers

# Every round rotates by r bits: shift left by r, right by 32 - r, and keep the r bits that wrapped around (an int32
# shifts its sign in). On the CPU the numbers are tensors, which spares each operation on a small array a cast.
ROUNDS = tuple((r, 32 - r, (1 << r) - 1) for r in (13, 15, 26, 6, 17, 29, 16, 24))
CPU_ROUNDS = tuple(tuple(torch.tensor(number, dtype=torch.int32) for number in numbers) for numbers in ROUNDS)
PARITY = 0x1BD11BDA

# The simulator's own streams, and one for tasks; a task or model splits its stream further.
DATA, INITIAL, EVALUATION = 1, 2, 3
RUN = 4  # what a task draws once per run, whatever the step


def threefry2x32(key: tuple[Tensor, Tensor], counter: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Two pseudo-random int32 words for int32 key and counter words (broadcast together)."""
    schedule = (key[0], key[1], key[0] ^ key[1] ^ PARITY)
    x0, x1 = counter[0] + schedule[0], counter[1] + schedule[1]
    x0, x1 = x0 + torch.zeros_like(x1), x1 + torch.zeros_like(x0)  # of full shape: the rounds work in place
    rounds = CPU_ROUNDS if x0.device.type == "cpu" else ROUNDS
    for group in range(1, 6):
        for left, right, mask in rounds[:4] if group % 2 else rounds[4:]:
            x0 += x1
            wrapped = (x1 >> right).bitwise_and_(mask)
            x1.bitwise_left_shift_(left).bitwise_or_(wrapped).bitwise_xor_(x0)
        x0 += schedule[group % 3]
        x1 += schedule[(group + 1) % 3] + group
    return x0, x1


@dataclass(frozen=True)
class Key:
    """Where random numbers come from: int32 `seed` (any shape, one entry per replica), `stream` and `step`.

    Every draw of shape S has shape seed.shape + S. Under `torch.vmap` over the seed it has shape S.
    """

    seed: Tensor
    stream: int = 0
    step: Tensor | int = 0

    @classmethod
    def of(cls, seeds: tuple[int, ...], stream: int = 0, step: int = 0, device: str | torch.device = "cpu") -> Key:
        """The key of several replicas, from Python integers."""
        return cls(torch.tensor(seed_numbers("seeds", seeds), dtype=torch.int32, device=device), stream, step)

    def split(self, number: int) -> Key:
        """An independent stream for another purpose, `number` in 0..254; at most three splits deep."""
        if not 0 <= number < 255 or self.stream >= 2**23:
            raise ValueError(
                f"number must be in 0..254 and the key split at most three times, got {number!r} on {self}"
            )
        return replace(self, stream=256 * self.stream + number + 1)

    def bits(self, *shape: int) -> tuple[Tensor, Tensor]:
        """Two independent int32 words per entry."""
        device = self.seed.device
        index = torch.arange(math.prod(shape), dtype=torch.int32, device=device).reshape(shape)
        seed = self.seed.reshape(self.seed.shape + (1,) * len(shape))
        stream = torch.full((), self.stream, dtype=torch.int32, device=device)
        step = torch.as_tensor(self.step, device=device).to(torch.int32)
        return threefry2x32((seed, stream), (step.expand(index.shape), index))

    def integers(self, *shape: int) -> Tensor:
        """Uniform integers in [0, 2^31), int64."""
        return (self.bits(*shape)[0] & 0x7FFFFFFF).to(torch.int64)

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Uniform numbers in (0, 1): odd multiples of 2^-33, then rounded to `dtype`."""
        return _unit(self.bits(*shape)[0]).to(dtype)

    def normal(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Standard normal numbers by Box-Muller in float64, then rounded to `dtype`; never beyond 6.8."""
        radius, angle = self.bits(*shape)
        return _unit(radius).log_().mul_(-2).sqrt_().mul_(_unit(angle).mul_(2 * math.pi).cos_()).to(dtype)


def _unit(word: Tensor) -> Tensor:
    return word.to(torch.int64).bitwise_and_(0xFFFFFFFF).to(torch.float64).add_(0.5).mul_(2.0**-32)


class DeviceConstant:
    """A tensor that is copied to each device once."""

    def __init__(self, tensor: Tensor) -> None:
        self._copies = {tensor.device: tensor}

    def on(self, device: torch.device) -> Tensor:
        """The tensor on `device`."""
        if device not in self._copies:
            self._copies[device] = next(iter(self._copies.values())).to(device)
        return self._copies[device]


class CategoricalRows:
    """Exact draws from the rows of a probability table, by one search in one sorted list of integers.

    Row k occupies [k 2^31, (k+1) 2^31); probabilities are rounded to multiples of 2^-31, and an entry of probability 0
    is never drawn. Comparisons of integers: the same on every device.
    """

    def __init__(self, probabilities: np.ndarray) -> None:
        cumulative = np.cumsum(probabilities, axis=1)
        # dividing by the last entry makes trailing zeros exactly 1, so that rounding cannot revive them
        ends = np.rint(cumulative / cumulative[:, -1:] * 2**31).astype(np.int64)
        flat = ends + np.arange(len(ends), dtype=np.int64)[:, None] * 2**31
        self.columns = ends.shape[1]
        self._ends = DeviceConstant(torch.from_numpy(flat.ravel()))

    def draw(self, row: Tensor, integers: Tensor) -> Tensor:
        """The column that each uniform integer in [0, 2^31) selects in its row; int64, shape of `row`."""
        ends = self._ends.on(row.device)
        return torch.searchsorted(ends, row * 2**31 + integers, right=True) - row * self.columns
