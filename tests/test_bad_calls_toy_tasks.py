"""Misuse of attention variants, switches, interventions, metrics and task variants is refused at once, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from toy_tasks.bigram_backcopy import (
    BackcopyMeasures,
    BigramBackcopy,
    BigramTable,
    DormantCopy,
    InterpolatedCopy,
    MarkovChain,
    SinkMeasures,
)
from toy_tasks.simulator import SGD, Clipped, Gated, SimplifiedModel, Transformer, simulate
from toy_tasks.simulator.interventions import Intervention, remove_mlp, zero_attention
from toy_tasks.simulator.sink_metrics import sink_rate

NAN, INF = float("nan"), float("inf")
TABLE = BigramTable.synthetic(4)
TASK = BigramBackcopy(TABLE, 1, 8)
TINY = Transformer(width=4).sized_for(TASK)
SIMPLE = SimplifiedModel(mlp=4).sized_for(TASK)


def trained(model: Any) -> object:
    return simulate(TASK, model, SGD(0.1), seeds=[0, 1, 2], steps=1)


def edited(edit: Any, model: Any = TINY) -> object:
    zeros = {name: torch.zeros(shape) for name, shape in model.shapes().items()}
    return model.forward(zeros, torch.zeros(2, 8, dtype=torch.int64), edit)


# (call, exception, pattern): the pattern asks for the argument's name and for the value that was refused
BAD_CALLS: list[tuple[Callable[[], object], type[Exception], str]] = [
    # attention variants
    (lambda: Clipped(0.1), ValueError, r"gamma must be at most 0.*, got 0\.1"),
    (lambda: Clipped([-0.1, 0.2]), ValueError, r"gamma must be at most 0.*, got 0\.2"),
    (lambda: Clipped(-INF), ValueError, r"gamma .*finite.*, got -inf"),
    (lambda: Clipped("soft"), TypeError, r"gamma .*number.*, got 'soft'"),
    (lambda: Clipped(zeta=0.9), ValueError, r"zeta .*in \[1, inf\), got 0\.9"),
    (lambda: Clipped(zeta=NAN), ValueError, r"zeta .*finite.*, got nan"),
    (lambda: Clipped(zeta=[[1.0]]), TypeError, r"zeta .*one-dimensional.*, got \[\[1\.0\]\]"),
    (lambda: Gated(0), ValueError, r"initial .*in \(0, 1\), got 0\.0"),
    (lambda: Gated(1.0), ValueError, r"initial .*in \(0, 1\), got 1\.0"),
    (lambda: Gated(None), TypeError, r"initial .*number.*, got None"),
    (
        lambda: trained(Transformer(width=4, attention=Clipped([-0.1, -0.2]))),
        ValueError,
        r"gamma .*\(3\), got .*\(2,\)",
    ),
    (lambda: Transformer(attention="gate"), ValueError, r"attention must be one of .*'gated', got 'gate'"),
    (lambda: Transformer(attention=Clipped), ValueError, r"attention must be one of .*, got <class .*Clipped'>"),  # type: ignore[arg-type]
    (lambda: Transformer(attention=None), ValueError, r"attention must be one of .*, got None"),  # type: ignore[arg-type]
    # switches
    (lambda: Transformer(norm="sandwich"), ValueError, r"norm must be one of 'pre', 'post', got 'sandwich'"),
    (lambda: Transformer(activation="gelu"), ValueError, r"activation must be one of 'relu', 'linear', got 'gelu'"),
    (lambda: Transformer(without=("1.mlp",)), ValueError, r"without must be one of 'norm', .*, got '1\.mlp'"),
    (lambda: Transformer(without=("attention",)), ValueError, r"without must be one of .*, got 'attention'"),
    (lambda: Transformer(without=("readout",)), ValueError, r"without must be one of .*, got 'readout'"),
    (lambda: Transformer(without="norm"), TypeError, r"without must be a tuple of names, got 'norm'"),  # type: ignore[arg-type]
    (lambda: Transformer(without=["norm"]), TypeError, r"without must be a tuple of names, got \['norm'\]"),  # type: ignore[arg-type]
    (lambda: Transformer(frozen=("0.gate",)), ValueError, r"frozen must name parameters .*, got '0\.gate'"),
    (lambda: Transformer(frozen=("1",)), ValueError, r"frozen must name parameters or blocks .*, got '1'"),
    (lambda: Transformer(frozen=("0.val",)), ValueError, r"frozen must name parameters .*, got '0\.val'"),
    (lambda: Transformer(frozen=("0.mlp",)), ValueError, r"frozen must name parameters .*, got '0\.mlp'"),
    (lambda: Transformer(without=("0.mlp",), frozen=("0.up",)), ValueError, r"frozen must name .*, got '0\.up'"),
    (lambda: Transformer(frozen=("",)), ValueError, r"frozen must name parameters or blocks .*, got ''"),
    (lambda: Transformer(frozen=(0,)), TypeError, r"frozen must be a tuple of names, got \(0,\)"),  # type: ignore[arg-type]
    (
        lambda: Transformer(frozen=("token", "position", "0", "norm", "readout")),
        ValueError,
        r"frozen must leave a parameter to train, got \('token', .*'readout'\)",
    ),
    # interventions
    (lambda: Intervention("softmax", torch.zeros_like), ValueError, r"site must be one of .*'weights'.* got 'softmax'"),
    (lambda: zero_attention(0), TypeError, r"layers must be a tuple .*, got 0"),  # type: ignore[arg-type]
    (lambda: zero_attention([0]), TypeError, r"layers must be a tuple .*, got \[0\]"),  # type: ignore[arg-type]
    (lambda: remove_mlp((-1,)), ValueError, r"layers must be an integer >= 0, got -1"),
    (lambda: remove_mlp((0.5,)), TypeError, r"layers must be an integer >= 0, got 0\.5"),  # type: ignore[arg-type]
    (lambda: edited(zero_attention((0, 2))), ValueError, r"layers must be one of 0, 1, got 2"),
    (lambda: edited(zero_attention((2,)), SIMPLE), ValueError, r"layers must be one of 0, 1, got 2"),
    # metrics and measures
    (lambda: sink_rate(torch.zeros(2, 2, 4, 4), position=4), ValueError, r"position must be one of 0, .*3, got 4"),
    (lambda: SinkMeasures(TASK, TINY, -0.1), ValueError, r"epsilon .*in \[0, inf\), got -0\.1"),
    (lambda: SinkMeasures(TASK, TINY, "some"), TypeError, r"epsilon .*number.*, got 'some'"),  # type: ignore[arg-type]
    (lambda: SinkMeasures(TASK, TINY, np.array([0.1, 0.2])), TypeError, r"epsilon .*one number, got array"),  # type: ignore[arg-type]
    # the simplified model
    (lambda: SimplifiedModel(mlp=0), ValueError, r"mlp .*>= 1, got 0"),
    (lambda: SimplifiedModel(output=1), TypeError, r"output must be True or False, got 1"),  # type: ignore[arg-type]
    (lambda: SimplifiedModel(triggers=2), TypeError, r"triggers must be a tuple of token ids, got 2"),  # type: ignore[arg-type]
    (lambda: SimplifiedModel(triggers=(-1,)), ValueError, r"triggers .*>= 0, got -1"),
    (lambda: SimplifiedModel(vocabulary=4, triggers=(4,)), ValueError, r"triggers must be below vocabulary 4, got 4"),
    (lambda: SimplifiedModel(vocabulary=4).shapes(), ValueError, r"vocabulary and triggers must be given"),
    # task variants
    (lambda: BigramBackcopy(TABLE, 1, 8, 3), ValueError, r"begin_tokens must be one of 0, 1, 2, got 3"),
    (lambda: MarkovChain(TABLE, 1, 8, -1), ValueError, r"begin_tokens must be an integer >= 0, got -1"),
    (lambda: DormantCopy(TABLE, 1, 8, True), TypeError, r"begin_tokens must be an integer >= 0, got True"),
    (lambda: DormantCopy(TABLE, 4), ValueError, r"triggers .*leaving a non-trigger.* got 4"),
    (lambda: MarkovChain(TABLE, length=2), ValueError, r"length .*>= 3, got 2"),
    (lambda: InterpolatedCopy(TABLE, mix=1.5), ValueError, r"mix must be in \[0, 1\], got 1\.5"),
    (lambda: InterpolatedCopy(TABLE, mix=-0.5), ValueError, r"mix .*in \[0, inf\), got -0\.5"),
    (lambda: InterpolatedCopy(TABLE, mix=NAN), ValueError, r"mix .*finite.*, got nan"),
    (lambda: InterpolatedCopy(TABLE, mix="half"), TypeError, r"mix .*number.*, got 'half'"),  # type: ignore[arg-type]
    (lambda: InterpolatedCopy(TABLE, mix=[0.1, 0.2]), TypeError, r"mix must be one number.*, got \[0\.1, 0\.2\]"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "exception", "pattern"), BAD_CALLS, ids=[pattern for _, _, pattern in BAD_CALLS])
def test_bad_calls_are_refused_by_name(call: Callable[[], object], exception: type[Exception], pattern: str) -> None:
    with pytest.raises(exception, match=pattern) as caught:
        call()
    assert type(caught.value) is exception


def test_the_good_calls_beside_them_are_taken() -> None:
    """The same arguments at the edge of what is allowed."""
    Clipped(0.0, 1.0), Gated(0.999), InterpolatedCopy(TABLE, mix=1.0), InterpolatedCopy(TABLE, mix=0)
    Transformer(layers=2, without=("1.mlp", "norm"), frozen=("0", "1.norm1"), norm="post", activation="linear")
    SimplifiedModel(vocabulary=4, triggers=(3, 0))
    assert edited(zero_attention((0,))) is not None
    assert edited(remove_mlp(), SIMPLE) is not None
    assert BackcopyMeasures(TASK, SIMPLE).model is SIMPLE
