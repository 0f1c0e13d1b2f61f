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
        "Neighbourhood attention is a batched GEMM / banded problem, ranging from pure value projection to full "
        "attention."
    ),
    read="abstract",
    limits="",
)

VASWANI_2021 = Source(
    key="VASWANI_2021",
    title="Scaling Local Self-Attention for Parameter Efficient Visual Backbones",
    authors="Vaswani, et al.",
    year=2021,
    identifier="arXiv:2103.12731",
    number=19,
    claimed=(
        "Blocked local attention with halos has a receptive field independent of parameter count and only relaxes "
        "translation equivariance."
    ),
    read="abstract",
    limits="",
)

LUO_2022 = Source(
    key="LUO_2022",
    title="Your Transformer May Not be as Powerful as You Expect",
    authors="Luo, Li, Zheng, Liu, Wang, He",
    year=2022,
    identifier="arXiv:2205.13401",
    number=23,
    claimed=(
        "Transformers with softmax relative positions cannot approximate some continuous functions, because attention "
        "rows sum to one; multiplying by a Toeplitz matrix repairs it."
    ),
    read="abstract",
    limits="",
)

LIU_2024 = Source(
    key="LIU_2024",
    title="CLEAR: Conv-Like Linearization Revs Pre-Trained Diffusion Transformers Up",
    authors="Liu, Tan, Wang",
    year=2024,
    identifier="arXiv:2412.16112",
    number=27,
    claimed="A convolution-like local window linearises attention while keeping attention maps of high rank.",
    read="abstract",
    limits="",
)

HE_2024_IR = Source(
    key="HE_2024_IR",
    title="Improving Multi-Subject Consistency in Open-Domain Image Generation with Isolation and Reposition Attention",
    authors="He, et al.",
    year=2024,
    identifier="arXiv:2411.19261",
    number=38,
    claimed="Isolating subjects and aligning their positions keeps several subjects consistent.",
    read="abstract",
    limits="Image consistency.",
)

LEE_2024 = Source(
    key="LEE_2024",
    title="HiP Attention: Sparse Sub-Quadratic Attention with Hierarchical Attention Pruning",
    authors="Lee, et al.",
    year=2024,
    identifier="arXiv:2406.09827",
    number=42,
    claimed="Tree search finds top-k keys in O(log T) per query without training.",
    read="abstract",
    limits="",
)

ZHU_2023 = Source(
    key="ZHU_2023",
    title="BiFormer: Vision Transformer with Bi-Level Routing Attention",
    authors="Zhu, Wang, Ke, Zhang, Lau",
    year=2023,
    identifier="arXiv:2303.08810",
    number=49,
    claimed="Region-level routing then token attention: dense-quality at sub-quadratic cost.",
    read="abstract",
    limits="",
)

ZHANG_2024_SINKLORA = Source(
    key="ZHANG_2024_SINKLORA",
    title="SinkLoRA: Enhanced Efficiency and Chat Capabilities for Long-Context Large Language Models",
    authors="Zhang",
    year=2024,
    identifier="arXiv:2406.05678",
    number=57,
    claimed=(
        "Shifted-group attention loses information between groups; adding global sink tokens recovers most of the gap."
    ),
    read="abstract",
    limits="Perplexity; S57's 2 hops holds only without causal mask.",
)

ROY_2020 = Source(
    key="ROY_2020",
    title="Efficient Content-Based Sparse Attention with Routing Transformers",
    authors="Roy, Saffar, Vaswani, Grangier",
    year=2020,
    identifier="arXiv:2003.05997",
    number=65,
    claimed="Online k-means routing gives content sparsity at O(n^1.5 d).",
    read="abstract",
    limits="",
)

HASSANI_2022 = Source(
    key="HASSANI_2022",
    title="Dilated Neighborhood Attention Transformer",
    authors="Hassani, Shi",
    year=2022,
    identifier="arXiv:2209.15001",
    number=66,
    claimed="Dilated neighbourhood attention grows the receptive field exponentially at no cost.",
    read="abstract",
    limits="",
)
