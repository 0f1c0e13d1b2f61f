"""Token selection: attention over a few fixed sequences, trained until each has selected a token.

`problems` a batch of problems and their token scores, `heads` what is read off the attended point, `generators` and
`examples` the published data; `parameters` what is trained (W or its factors), `rules` how long a step is, `gradients`
the formulas, `training` the loop, `joint` the one that moves a head too. Nothing here knows what the limit should be.
"""

from toy_tasks.token_selection.examples import (
    labelled_sequences,
    one_sequence,
    plane_example,
    prompt_problem,
    three_sequences,
    two_sequences,
)
from toy_tasks.token_selection.generators import linear_layer, linear_problems, relu_problems
from toy_tasks.token_selection.gradients import MODES, Arithmetic
from toy_tasks.token_selection.heads import GivenScores, LambdaHead, LinearHead, ReluHead
from toy_tasks.token_selection.joint import JointlyTrained, train_jointly
from toy_tasks.token_selection.parameters import Factors, KernelWeights, MirrorWeights
from toy_tasks.token_selection.problems import SelectionProblems
from toy_tasks.token_selection.rules import GradientDescent, NormalizedDescent, PolyakStep
from toy_tasks.token_selection.training import Trained, train

__all__ = [
    "MODES",
    "Arithmetic",
    "Factors",
    "GivenScores",
    "GradientDescent",
    "JointlyTrained",
    "KernelWeights",
    "LambdaHead",
    "LinearHead",
    "MirrorWeights",
    "NormalizedDescent",
    "PolyakStep",
    "ReluHead",
    "SelectionProblems",
    "Trained",
    "labelled_sequences",
    "linear_layer",
    "linear_problems",
    "one_sequence",
    "plane_example",
    "prompt_problem",
    "relu_problems",
    "three_sequences",
    "train",
    "train_jointly",
    "two_sequences",
]
