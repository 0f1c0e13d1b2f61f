"""Layer-wise relevance propagation (the basic rule, LRP-0) on ReLU networks.

Every unit hands its relevance down to its inputs in proportion to what they brought: R_j = sum_k a_j w_jk / z_k R_k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.claims import claim, relative_error
from theory.numerics import Array
from theory.papers import LI_2017
from theory.validation import finite_array, require


@dataclass(frozen=True, eq=False)
class ReluNet:
    """Weights (in, out) and biases (out,) of each layer, ReLU between layers, one output; and an input (in,).

    Hypothesis: no unit's pre-activation is 0 (relevance would be 0/0 there).
    """

    weights: tuple[Float[Array, "i o"], ...]
    biases: tuple[Float[Array, " o"], ...]
    features: Float[Array, " i"]

    def __post_init__(self) -> None:
        width = len(finite_array("features", self.features, (None,), leading=False))
        for weight, bias in zip(self.weights, self.biases, strict=True):
            width = finite_array("weights", weight, (width, None), leading=False).shape[1]
            finite_array("biases", bias, (width,), leading=False)
        require(width == 1, f"the network must have one output, got {width}")
        require(all((z != 0).all() for z in self.pre_activations), "no pre-activation may be 0")

    @classmethod
    def drawn(cls, widths: tuple[int, ...], bias: float, seed: int) -> ReluNet:
        """N(0, 1 / fan-in) weights, N(0, bias^2) biases, N(0, 1) input; `widths`: input to last hidden layer."""
        rng = np.random.default_rng(seed)
        sizes = list(zip(widths, (*widths[1:], 1), strict=True))
        weights = tuple(rng.standard_normal(size) / np.sqrt(size[0]) for size in sizes)
        biases = tuple(bias * rng.standard_normal(out) for _, out in sizes)
        return cls(weights, biases, rng.standard_normal(widths[0]))

    @property
    def pre_activations(self) -> list[Float[Array, " o"]]:
        """z of every layer; the last one is the output (1,)."""
        found, a = [], self.features
        for weight, bias in zip(self.weights, self.biases, strict=True):
            found.append(a @ weight + bias)
            a = np.maximum(found[-1], 0.0)
        return found

    @property
    def output(self) -> float:
        """The value of the one output."""
        return float(self.pre_activations[-1][0])


@dataclass(frozen=True, eq=False)
class BiasFreeReluNet(ReluNet):
    """Hypothesis: all biases are 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(not any(bias.any() for bias in self.biases), "all biases must be 0")


def propagated_relevance(net: ReluNet) -> Float[Array, " i"]:
    """LRP-0 relevance of every input; the output's relevance is its value."""
    z = net.pre_activations
    activations = [net.features, *(np.maximum(pre, 0.0) for pre in z[:-1])]
    relevance = z[-1]
    for a, weight, pre in zip(activations[::-1], net.weights[::-1], z[::-1], strict=True):
        relevance = a * (weight @ (relevance / pre))
    return relevance


def input_gradient(net: ReluNet) -> Float[Array, " i"]:
    """Gradient of the output with respect to the input, by backpropagation."""
    gradient = np.ones(1)
    for index in range(len(net.weights) - 1, -1, -1):
        gradient = net.weights[index] @ gradient
        if index:
            gradient = gradient * (net.pre_activations[index - 1] > 0)
    return gradient


# ----------------------------------------------------------------------------------------------------------- claims


def _size(net: ReluNet) -> float:
    """The output of a network of absolute weights and biases on the absolute input: rounding grows with it."""
    a = np.abs(net.features)
    for weight, bias in zip(net.weights, net.biases, strict=True):
        a = a @ np.abs(weight) + np.abs(bias)
    return float(a[0])


@claim(
    statement="LRP-0 relevances of the inputs of a bias-free ReLU network add up to its output.",
    source=LI_2017,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (ReluNet.drawn((3, 4, 4), 0.5, seed=0),),
)
def propagated_relevance_adds_up_to_the_output(net: BiasFreeReluNet) -> float:
    return relative_error(propagated_relevance(net).sum(), net.output, scale=_size(net))


@claim(
    statement="LRP-0 relevance on a ReLU network is gradient times input, with biases, too.",
    source=LI_2017,
    kind="identity",
    tolerance=1e-12,
)
def propagated_relevance_is_gradient_times_input(net: ReluNet) -> float:
    return relative_error(propagated_relevance(net), net.features * input_gradient(net), scale=_size(net))
