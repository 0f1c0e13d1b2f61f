"""Multinomial counts drawn directly, from one integer per split instead of one per token."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from toy_tasks.randomness import DeviceConstant


class Multinomial:
    """How often each of s kinds occurs among `total` independent draws with probabilities (s,), all positive.

    The kinds are split into halves until single kinds are left. How much of a group's count goes to its first half is
    binomial, and one uniform integer in [0, 2^31) selects it: every conditional probability is exact to 2^-31, and
    comparisons of integers are the same on every device.
    """

    def __init__(self, probabilities: np.ndarray, total: int) -> None:
        self.total = total
        self.order: list[int] = []  # the kind that each column of `draw` counts
        self.levels: list[tuple[Binomials, int]] = []
        groups = [(list(range(len(probabilities))), (total, total))]
        while groups and len(groups[0][0]) > 1:
            splits = [group for group in groups if len(group[0]) > 1]
            halves = [(kinds[: -(-len(kinds) // 2)], kinds[-(-len(kinds) // 2) :]) for kinds, _ in splits]
            shares = [probabilities[first].sum() / probabilities[first + second].sum() for first, second in halves]
            table = Binomials(shares, [reached for _, reached in splits])
            self.levels.append((table, len(splits)))
            firsts = [(first, reached) for (first, _), reached in zip(halves, table.reached_first, strict=True)]
            seconds = [(second, reached) for (_, second), reached in zip(halves, table.reached_second, strict=True)]
            # sizes stay in falling order, so that the groups still to be split come first
            groups = firsts + seconds + groups[len(splits) :]
        self.order = [kinds[0] for kinds, _ in groups]

    @property
    def integers(self) -> int:
        """How many integers one draw needs: one less than there are kinds."""
        return len(self.order) - 1

    def draw(self, integers: Tensor) -> Tensor:
        """Counts (..., s) int64 of the kinds in `order`, from uniform integers (..., s - 1) in [0, 2^31)."""
        counts = integers.new_full((*integers.shape[:-1], 1), self.total)
        used = 0
        for table, splits in self.levels:
            first = table.draw(counts[..., :splits], integers[..., used : used + splits])
            counts = torch.cat([first, counts[..., :splits] - first, counts[..., splits:]], dim=-1)
            used += splits
        return counts


class Binomials:
    """Binomial(n, shares[c]) for each column c and every n in trials[c] = (lowest, highest), as one sorted list.

    `reached_first`, `reached_second`: (lowest, highest) of the drawn number k, and of n - k, per column.
    """

    def __init__(self, shares: list[float], trials: list[tuple[int, int]]) -> None:
        offsets: list[int] = []
        shifts: list[int] = []
        ends: list[np.ndarray] = []
        size = 0
        self.reached_first, self.reached_second = [], []
        for share, (low, high) in zip(shares, trials, strict=True):
            offsets.append(len(shifts) - low)
            reached = []
            for n in range(low, high + 1):
                cumulative = np.rint(np.cumsum(binomial_law(n, share)) * 2**31).astype(np.int64)
                # numbers whose probability rounds to 0 take no place
                first, last = int(np.searchsorted(cumulative, 0, "right")), int(np.searchsorted(cumulative, 2**31))
                row = len(shifts)
                shifts.append(first - size)
                ends.append(cumulative[first : last + 1] + row * 2**31)
                size += last + 1 - first
                reached.append((first, last, n - last, n - first))
            k_low, _, rest_low, _ = np.min(reached, axis=0)
            _, k_high, _, rest_high = np.max(reached, axis=0)
            self.reached_first.append((int(k_low), int(k_high)))
            self.reached_second.append((int(rest_low), int(rest_high)))
        self._offsets, self._shifts, self._ends = (
            DeviceConstant(torch.from_numpy(np.asarray(values, dtype=np.int64)))
            for values in (offsets, shifts, np.concatenate(ends))
        )

    def draw(self, trials: Tensor, integers: Tensor) -> Tensor:
        """The number that each uniform integer in [0, 2^31) selects, of so many trials; both (..., columns)."""
        offsets, shifts, ends = (c.on(trials.device) for c in (self._offsets, self._shifts, self._ends))
        row = offsets + trials
        return torch.searchsorted(ends, row * 2**31 + integers, right=True) + shifts[row]


def binomial_law(trials: int, share: float) -> np.ndarray:
    """(trials + 1,) probabilities of Binomial(trials, share), 0 < share < 1, summing to 1 to rounding."""
    k = np.arange(trials + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    log_choose = factorials[-1] - factorials - factorials[::-1]
    law = np.exp(log_choose + k * np.log(share) + (trials - k) * np.log1p(-share))
    return law / law.sum()
