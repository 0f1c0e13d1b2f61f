"""Attention and the MLP above it move together (JoMA, Tian et al. 2023, as recalled; all forms derived here).

`invariants` what attention logits and MLP weights conserve for linear, exp and softmax attention; `growth` the dynamics
once attention is integrated out: the erf law, blow-up, gaps that close at different rates, sparse then dense.
Nothing here samples sequences or trains networks.
"""

from theory.joma.growth import (
    Approach,
    ConstantDrive,
    Targets,
    attention_entropy,
    softmax_growth,
)
from theory.joma.invariants import JointPoint, OneSample, joint_invariant

__all__ = [
    "Approach",
    "ConstantDrive",
    "JointPoint",
    "OneSample",
    "Targets",
    "attention_entropy",
    "joint_invariant",
    "softmax_growth",
]
