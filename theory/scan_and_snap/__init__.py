"""How one layer of attention learns which tokens tell classes apart: Scan and Snap (Tian et al. 2023).

`mixture` the model, its loss and gradients for endless sequences; `flows` four dynamics that must be told apart: the
gradient flow, its symmetric reduction, the preconditioned decoder of Lemma 3, and Lemma 4; `decoder` the closed form of
the decoder and the gradient it sends back; `fates` what happens to distinct and common tokens; `transition` Theorem 4.
Nothing here samples sequences or trains networks.
"""

from theory.scan_and_snap.decoder import (
    GradientCoefficients,
    ScalePeak,
    backpropagated_integral,
    backpropagated_peak,
    backpropagated_scale,
    decoder_gap,
    discrete_decoder_gap,
    gradient_coefficients,
)
from theory.scan_and_snap.fates import (
    Gain,
    dominant_gain,
    dominant_token,
    initial_acceleration,
    inverse_square_weight,
    stubborn_mixture,
)
from theory.scan_and_snap.flows import (
    AttentionPush,
    AttentionTrajectory,
    MixtureTrajectory,
    attention_flow,
    attention_push,
    population_flow,
    preconditioned_flow,
    symmetric_flow,
)
from theory.scan_and_snap.mixture import ClassMixture, SymmetricMixture
from theory.scan_and_snap.transition import TransitionTimes, growth_factor, transition_times

__all__ = [
    "AttentionPush",
    "AttentionTrajectory",
    "ClassMixture",
    "Gain",
    "GradientCoefficients",
    "MixtureTrajectory",
    "ScalePeak",
    "SymmetricMixture",
    "TransitionTimes",
    "attention_flow",
    "attention_push",
    "backpropagated_integral",
    "backpropagated_peak",
    "backpropagated_scale",
    "decoder_gap",
    "discrete_decoder_gap",
    "dominant_gain",
    "dominant_token",
    "gradient_coefficients",
    "growth_factor",
    "initial_acceleration",
    "inverse_square_weight",
    "population_flow",
    "preconditioned_flow",
    "stubborn_mixture",
    "symmetric_flow",
    "transition_times",
]
