"""How it is trained: many replicas of a small model at once, on CPU or GPU.

`engine` the training loop (`simulate`), `transformer` a model made of `block`s with an `attention` variant,
`simplified` one with the parts of the reduced theory alone, `interventions` what reaches into a trained one,
`sink_metrics` the signs of attention sinks; `optimizers` the update rules, `replicas` numbers that differ between
replicas, `capture` what makes a GPU fast. A model is two functions, `init(key) -> params` and `loss(params, batch) ->
scalar`, of one replica. Nothing here knows any particular task.
"""

from toy_tasks.simulator.attention import Clipped, Gated, KeyBias, OffByOne, ReLU, Sigmoid, Softmax
from toy_tasks.simulator.engine import Diverged, Model, Trajectories, simulate
from toy_tasks.simulator.optimizers import SGD, Adam, AdamW
from toy_tasks.simulator.simplified import SimplifiedModel
from toy_tasks.simulator.transformer import Transformer

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Clipped",
    "Diverged",
    "Gated",
    "KeyBias",
    "Model",
    "OffByOne",
    "ReLU",
    "Sigmoid",
    "SimplifiedModel",
    "Softmax",
    "Trajectories",
    "Transformer",
    "simulate",
]
