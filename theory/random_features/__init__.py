"""What one layer of random-feature attention can learn (Fu et al. 2023): everything in closed form.

`rectified` moments of rectified normals; `kernels` the layers with infinitely many heads.
Nothing here samples heads or data.
"""

from theory.random_features.kernels import (
    attention_gram,
    attention_kernel,
    biased_attention_kernel,
    mlp_gram,
    mlp_kernel,
)
from theory.random_features.rectified import arc_cosine, biased_arc_cosine, orthant_probability

__all__ = [
    "arc_cosine",
    "attention_gram",
    "attention_kernel",
    "biased_arc_cosine",
    "biased_attention_kernel",
    "mlp_gram",
    "mlp_kernel",
    "orthant_probability",
]
