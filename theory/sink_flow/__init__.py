"""How an attention sink forms: the reduced model of a sink logit and its value state, and everything exact about it.

`model` the loss, its gradient and flow; `identities` what holds at every point; `fixed_value`, `fixed_logit`, `joint`
the three regimes (value state fixed, sink logit fixed, both trained), each with its limits, bounds and claims;
`random_contexts` both trained while the context varies; `adam` and `residual_peak` what Adam does instead of gradient
flow; `competitors` and `interventions` several sinks, gates and clipped or padded softmax; `existence` the weights that
solve the task.
Nothing here samples sequences or trains networks.
"""

from theory.sink_flow.adam import AdamTail, OrderedAdamTail, adam_growth_rate, saturated_growth_rate
from theory.sink_flow.competitors import CompetingSinks, OneQuery
from theory.sink_flow.existence import (
    ConstructedLayer,
    LayerInContext,
    backcopy_risk_bound,
    bigram_risk_bound,
)
from theory.sink_flow.fixed_logit import drain_rate, drained_value
from theory.sink_flow.fixed_value import (
    loss_bound,
    pushed_logit_asymptote,
    sink_logit_asymptote,
    sink_logit_bounds,
)
from theory.sink_flow.interventions import ClippedSink, GatedSink
from theory.sink_flow.joint import FirstIntegrals, first_integrals, joint_limit, monotone_quantity
from theory.sink_flow.model import (
    ConstantValue,
    EqualLogits,
    FlowStart,
    PushedValue,
    SinkModel,
    SinkPoint,
    SinkTrajectory,
)
from theory.sink_flow.published_peak import PublishedPeak, SizeCurves, published_size_dynamics
from theory.sink_flow.random_contexts import (
    RandomContexts,
    RandomContextTail,
    fluctuation,
    random_context_asymptote,
    random_context_tail,
)
from theory.sink_flow.residual_peak import PeakStart, PeakTrajectory, ResidualPeak

__all__ = [
    "AdamTail",
    "ClippedSink",
    "CompetingSinks",
    "ConstantValue",
    "ConstructedLayer",
    "EqualLogits",
    "FirstIntegrals",
    "FlowStart",
    "GatedSink",
    "LayerInContext",
    "OneQuery",
    "OrderedAdamTail",
    "PeakStart",
    "PeakTrajectory",
    "PublishedPeak",
    "PushedValue",
    "RandomContextTail",
    "RandomContexts",
    "ResidualPeak",
    "SinkModel",
    "SinkPoint",
    "SinkTrajectory",
    "SizeCurves",
    "adam_growth_rate",
    "backcopy_risk_bound",
    "bigram_risk_bound",
    "drain_rate",
    "drained_value",
    "first_integrals",
    "fluctuation",
    "joint_limit",
    "loss_bound",
    "monotone_quantity",
    "published_size_dynamics",
    "pushed_logit_asymptote",
    "random_context_asymptote",
    "random_context_tail",
    "saturated_growth_rate",
    "sink_logit_asymptote",
    "sink_logit_bounds",
]
