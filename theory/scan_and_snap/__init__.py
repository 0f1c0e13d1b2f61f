"""How one layer of attention learns which tokens tell classes apart: Scan and Snap (Tian et al. 2023).

`mixture` the model, its loss and gradients for endless sequences; `sequences` one finite sequence; `identities` what
holds at every point; `flows` four dynamics that must be told apart: gradient flow, its symmetric reduction, the
preconditioned decoder of Lemma 3, and Lemma 4; `decoder` the gap the decoder opens, `backpropagation` the gradient it
sends back; `fates` what happens to distinct and common tokens; `transition` Theorem 4; `bridges` how the four dynamics
relate and what does not carry over.
Nothing here samples sequences or trains networks.
"""

from theory.scan_and_snap.backpropagation import (
    GradientCoefficients,
    IndependentFeatures,
    ScalePeak,
    backpropagated_integral,
    backpropagated_peak,
    backpropagated_scale,
    gradient_coefficients,
)
from theory.scan_and_snap.bridges import EqualOverlaps, FullVocabulary, MixtureRun, SymmetricRun
from theory.scan_and_snap.decoder import DecoderSteps, DecoderTime, decoder_gap, discrete_decoder_gap
from theory.scan_and_snap.fates import (
    Gain,
    OneCommonToken,
    ScanRun,
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
from theory.scan_and_snap.identities import MixturePoint
from theory.scan_and_snap.mixture import ClassMixture, SymmetricMixture
from theory.scan_and_snap.sequences import SampledToken, TokenSequence, count_deviation, deviation_probability
from theory.scan_and_snap.transition import Transition, TransitionTimes, growth_factor, transition_times

__all__ = [
    "AttentionPush",
    "AttentionTrajectory",
    "ClassMixture",
    "DecoderSteps",
    "DecoderTime",
    "EqualOverlaps",
    "FullVocabulary",
    "Gain",
    "GradientCoefficients",
    "IndependentFeatures",
    "MixturePoint",
    "MixtureRun",
    "MixtureTrajectory",
    "OneCommonToken",
    "SampledToken",
    "ScalePeak",
    "ScanRun",
    "SymmetricMixture",
    "SymmetricRun",
    "TokenSequence",
    "Transition",
    "TransitionTimes",
    "attention_flow",
    "attention_push",
    "backpropagated_integral",
    "backpropagated_peak",
    "backpropagated_scale",
    "count_deviation",
    "decoder_gap",
    "deviation_probability",
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
