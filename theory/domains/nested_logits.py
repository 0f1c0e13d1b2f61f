"""How to draw the instance types of the nested logits."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats, simplex_rows
from theory.nested_logits.equal_labels import EqualLabelsStart
from theory.nested_logits.escape import ManyCompetitors, SoftmaxReadout
from theory.nested_logits.in_weights import InWeights, MemoryPoint
from theory.nested_logits.model import LearnableStart, LogitPoint, NestedLogits


@st.composite
def models(draw: st.DrawFn, *, absent: tuple[int, int] = (0, 40), unit_rates: bool = False) -> NestedLogits:
    """N 2-12, L - N in `absent`, m 0.5-200 (log-uniform), rates e^-2 to e^2."""
    n = draw(st.integers(2, 12))
    m = float(np.exp(draw(floats(np.log(0.5), np.log(200.0)))))
    rates = (1.0, 1.0, 1.0) if unit_rates else tuple(np.exp(draw(arrays((3,), -2.0, 2.0))))
    return NestedLogits(n, n + draw(st.integers(*absent)), m, rates)


@domain(LogitPoint)
def logit_points() -> st.SearchStrategy[LogitPoint]:
    """Any model, |xi|, |alpha|, |beta| <= 6."""
    return st.builds(LogitPoint, models(), floats(-6.0, 6.0), floats(-6.0, 6.0), floats(-6.0, 6.0))


@domain(LearnableStart)
def learnable_starts() -> st.SearchStrategy[LearnableStart]:
    """Unit rates, L > N, m <= 60."""
    some = models(absent=(1, 40), unit_rates=True)
    return some.filter(lambda model: model.single_competitors <= 60).map(LearnableStart)


@domain(ManyCompetitors)
def many_competitors() -> st.SearchStrategy[ManyCompetitors]:
    """The whole stated domain, m log-uniform."""

    def build(n: int, absent: int, log_m: float) -> ManyCompetitors:
        return ManyCompetitors(NestedLogits(n, n + absent, float(np.clip(np.exp(log_m), 22, 1000))))

    return st.builds(build, st.integers(3, 32), st.integers(2, 257), floats(np.log(22), np.log(1000)))


@domain(SoftmaxReadout)
def softmax_readouts() -> st.SearchStrategy[SoftmaxReadout]:
    """The whole stated domain."""
    return st.builds(SoftmaxReadout, st.integers(4, 32), floats(50.0, 400.0))


@st.composite
def _equal_starts(draw: st.DrawFn) -> EqualLabelsStart:
    n, m = draw(st.integers(2, 10)), draw(floats(2.0, 30.0))
    size, share, side = 10.0 ** draw(floats(-4.0, np.log10(0.05))), draw(floats(-0.89, 1.0)), draw(st.booleans())
    pair = (size, share * size) if draw(st.booleans()) else (share * size, size)
    sign = 1.0 if side else -1.0
    return EqualLabelsStart(NestedLogits(n, n, m), sign * min(pair[0], 0.05), sign * min(pair[1], 0.05))


@domain(EqualLabelsStart)
def equal_starts() -> st.SearchStrategy[EqualLabelsStart]:
    """N = L 2-10, m 2-30, starts of size 1e-4 to 0.05, both signs."""
    return _equal_starts()


@st.composite
def _memory_points(draw: st.DrawFn) -> MemoryPoint:
    classes = draw(st.integers(1, 6))
    competition = InWeights(draw(models()), draw(simplex_rows(1, classes, 0.1))[0])
    return MemoryPoint(competition, draw(floats(-4.0, 4.0)), draw(arrays((classes,), -3.0, 8.0)))


@domain(MemoryPoint)
def memory_points() -> st.SearchStrategy[MemoryPoint]:
    """1-6 classes, |xi| <= 4, w in [-3, 8]."""
    return _memory_points()
