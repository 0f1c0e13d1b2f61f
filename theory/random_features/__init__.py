"""What one layer of random-feature attention can learn (Fu et al. 2023): everything in closed form.

`rectified` moments of rectified normals; `kernels` the layers with infinitely many heads; `harmonics` and `spectrum`
their eigenvalues on the sphere and what targets weigh in each mode; `norms` how large targets are.
Nothing here samples heads or data.
"""

from theory.random_features.harmonics import harmonics
from theory.random_features.kernels import (
    attention_gram,
    attention_kernel,
    biased_attention_kernel,
    mlp_gram,
    mlp_kernel,
)
from theory.random_features.norms import mlp_monomial_bound, monomial_bound, rademacher_bound, rkhs_norm
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
    "Masses",
    "Spectrum",
    "arc_cosine",
    "attention_gram",
    "attention_kernel",
    "attention_spectrum",
    "average_masses",
    "biased_arc_cosine",
    "biased_attention_kernel",
    "centred",
    "correlation_masses",
    "harmonics",
    "mlp_gram",
    "mlp_kernel",
    "mlp_monomial_bound",
    "mlp_spectrum",
    "monomial_bound",
    "orthant_probability",
    "query_masses",
    "rademacher_bound",
    "rkhs_norm",
]
