"""Sparse attention: windows, routes, trees and mask graphs: the papers, from their abstracts."""

from theory.papers.source import Source

HASSANI_2024 = Source(
    key="HASSANI_2024",
    title="Faster Neighborhood Attention: Reducing the O(n^2) Cost of Self Attention at the Threadblock Level",
    authors="Hassani, Hwu, Shi",
    year=2024,
    identifier="arXiv:2403.04690",
    number=16,
    claimed=(
        "Neighbourhood attention can be computed as batched matrix products, and its window spans the range from a "
        "projection of values to full attention."
    ),
    read="abstract",
    limits=(
        "The operator, its tiles and its borders are checked as functions; no kernel is timed and no accuracy measured."
    ),
)

VASWANI_2021 = Source(
    key="VASWANI_2021",
    title="Scaling Local Self-Attention for Parameter Efficient Visual Backbones",
    authors="Vaswani, Ramachandran, Srinivas, Parmar, Hechtman, Shlens",
    year=2021,
    identifier="arXiv:2103.12731",
    number=19,
    claimed=(
        "Local attention in blocks with a halo has a receptive field that does not cost parameters, and gives up only "
        "part of translation equivariance."
    ),
    read="abstract",
    limits=(
        "The equality with a block mask and the lost shifts are exact; parameter efficiency, speed and accuracy of "
        "the image models are not tested."
    ),
)

LUO_2022 = Source(
    key="LUO_2022",
    title="Your Transformer May Not be as Powerful as You Expect",
    authors="Luo, Li, Zheng, Liu, Wang, He",
    year=2022,
    identifier="arXiv:2205.13401",
    number=23,
    claimed=(
        "With relative positions inside the softmax a transformer cannot represent some functions of position, since "
        "attention rows sum to one; multiplying attention by a Toeplitz matrix repairs this."
    ),
    read="abstract",
    limits=(
        "The obstruction is shown on equal tokens only, and that the Toeplitz factor suffices for universal "
        "approximation is not checked."
    ),
)

LIU_2024 = Source(
    key="LIU_2024",
    title="CLEAR: Conv-Like Linearization Revs Pre-Trained Diffusion Transformers Up",
    authors="Liu, Tan, Wang",
    year=2024,
    identifier="arXiv:2412.16112",
    number=27,
    claimed=(
        "Restricting each query to a disc of neighbours makes the cost of attention linear while its maps keep a high "
        "rank."
    ),
    read="abstract",
    limits=(
        "The rank and the distance to kernel attention are those of one-dimensional windows; distillation of a "
        "diffusion transformer, image quality and speed at high resolution are not tested."
    ),
)

HE_2024_IR = Source(
    key="HE_2024_IR",
    title="Improving Multi-Subject Consistency in Open-Domain Image Generation with Isolation and Reposition Attention",
    authors="He, Wang, Zhou, Cai, Chao, Yin, Yang",
    year=2024,
    identifier="arXiv:2411.19261",
    number=38,
    claimed=(
        "Isolating subjects from one another in attention, and aligning their positions with the reference, keeps "
        "several subjects consistent."
    ),
    read="abstract",
    limits=(
        "Isolation and realignment are exact for masks and for rotary logits of equal features, not of unrelated "
        "ones; consistency of generated images is not tested."
    ),
)

LEE_2024 = Source(
    key="LEE_2024",
    title="HiP Attention: Sparse Sub-Quadratic Attention with Hierarchical Attention Pruning",
    authors="Lee, Park, Lee, Kim, Jeong, Jeon, Hwang",
    year=2024,
    identifier="arXiv:2406.09827",
    number=42,
    claimed=(
        "A tree search over keys finds the top ones for a query in logarithmic time without training, because "
        "neighbouring tokens have similar scores."
    ),
    read="abstract",
    limits=(
        "The error bound is for any kept set, but that the search finds the top keys is shown only for scores with "
        "locality; language quality and decoding speed are not tested."
    ),
)

ZHU_2023 = Source(
    key="ZHU_2023",
    title="BiFormer: Vision Transformer with Bi-Level Routing Attention",
    authors="Zhu, Wang, Ke, Zhang, Lau",
    year=2023,
    identifier="arXiv:2303.08810",
    number=49,
    claimed=(
        "Routing between regions, then attention between the tokens of the routed regions, adapts to content at "
        "sub-quadratic cost."
    ),
    read="abstract",
    limits=(
        "Cost and the limit of full routing are exact; whether routing finds the regions that matter, and accuracy or "
        "speed on images, is not tested."
    ),
)

ZHANG_2024_SINKLORA = Source(
    key="ZHANG_2024_SINKLORA",
    title="SinkLoRA: Enhanced Efficiency and Chat Capabilities for Long-Context Large Language Models",
    authors="Zhang",
    year=2024,
    identifier="arXiv:2406.05678",
    number=57,
    claimed=(
        "Attention in shifted groups loses information between the groups; global sink tokens recover most of the gap."
    ),
    read="abstract",
    limits=(
        "Hops of a mask say what information can reach, not what a model uses; under the causal mask sinks add no "
        "path, and perplexity or chat quality is not tested."
    ),
)

ROY_2020 = Source(
    key="ROY_2020",
    title="Efficient Content-Based Sparse Attention with Routing Transformers",
    authors="Roy, Saffar, Vaswani, Grangier",
    year=2020,
    identifier="arXiv:2003.05997",
    number=65,
    claimed="Clustering queries and keys by online k-means gives content-based sparse attention at cost O(n^1.5 d).",
    read="abstract",
    limits=(
        "Distances, cost and error for given clusters are exact; that online k-means finds useful clusters, and "
        "language or image modelling results, are not tested."
    ),
)

HASSANI_2022 = Source(
    key="HASSANI_2022",
    title="Dilated Neighborhood Attention Transformer",
    authors="Hassani, Shi",
    year=2022,
    identifier="arXiv:2209.15001",
    number=66,
    claimed=(
        "Dilated neighbourhoods let the receptive field of local attention grow exponentially with depth at no extra "
        "cost."
    ),
    read="abstract",
    limits=(
        "Receptive field and the masked equality are exact, with borders clipped; accuracy on detection and "
        "segmentation is not tested."
    ),
)
