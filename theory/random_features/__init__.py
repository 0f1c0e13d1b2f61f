"""What one layer of random-feature attention can learn (Fu et al. 2023): everything in closed form.

`rectified` moments of rectified normals; `kernels` the layers with infinitely many heads, `grams` of many inputs;
`harmonics` and `spectrum` their eigenvalues on the sphere and what targets weigh in each mode, `biased` those of the
biased layer; `norms` how large targets are; `learning` learning curves in samples and time; `predictors` ridge,
gradient flow and descent on given data; `layer` the layer with finitely many heads; `claims` what is hunted. Nothing
here draws training data.
"""

from theory.random_features.biased import BiasedSpectrum, biased_attention_spectrum
from theory.random_features.grams import attention_gram, mlp_gram
from theory.random_features.harmonics import harmonics
from theory.random_features.kernels import attention_kernel, biased_attention_kernel, mlp_kernel
from theory.random_features.learning import effective_ridge, learning_curve, population_flow, samples_to_reach
from theory.random_features.norms import mlp_monomial_bound, monomial_bound, rademacher_bound, rkhs_norm
from theory.random_features.predictors import (
    FLOW_OVER_RIDGE,
    TestMoments,
    descent_predictor,
    flow_predictor,
    largest_step,
    ridge_predictor,
)
from theory.random_features.rectified import arc_cosine, biased_arc_cosine, orthant_probability
from theory.random_features.spectrum import (
    Masses,
    Spectrum,
    attention_spectrum,
    average_masses,
    centred,
    correlation_masses,
    mlp_spectrum,
    query_masses,
)

__all__ = [
    "FLOW_OVER_RIDGE",
    "BiasedSpectrum",
    "Masses",
    "Spectrum",
    "TestMoments",
    "arc_cosine",
    "attention_gram",
    "attention_kernel",
    "attention_spectrum",
    "average_masses",
    "biased_arc_cosine",
    "biased_attention_kernel",
    "biased_attention_spectrum",
    "centred",
    "correlation_masses",
    "descent_predictor",
    "effective_ridge",
    "flow_predictor",
    "harmonics",
    "largest_step",
    "learning_curve",
    "mlp_gram",
    "mlp_kernel",
    "mlp_monomial_bound",
    "mlp_spectrum",
    "monomial_bound",
    "orthant_probability",
    "population_flow",
    "query_masses",
    "rademacher_bound",
    "ridge_predictor",
    "rkhs_norm",
    "samples_to_reach",
]
