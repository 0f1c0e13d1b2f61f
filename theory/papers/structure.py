"""Heads, pointers, channels, positions and modulation: the papers, from their abstracts."""

from theory.papers.source import Source

LIN_2025 = Source(
    key="LIN_2025",
    title="Sigma: Differential Rescaling of Query, Key and Value for Efficient Language Models",
    authors="Lin, Tang, et al.",
    year=2025,
    identifier="arXiv:2501.13629",
    number=1,
    claimed=(
        "Quality reacts differently to compressing K than V, so the two can be given different head counts and Q more "
        "width."
    ),
    read="abstract",
    limits="That K compresses better in a trained LLM: the sign depends on the regime.",
)

VINYALS_2015 = Source(
    key="VINYALS_2015",
    title="Pointer Networks",
    authors="Vinyals, Fortunato, Jaitly",
    year=2015,
    identifier="arXiv:1506.03134",
    number=7,
    claimed="Attention used as a pointer solves variable-size output problems and works beyond training lengths.",
    read="abstract",
    limits="",
)

JIN_2024 = Source(
    key="JIN_2024",
    title="MoH: Multi-Head Attention as Mixture-of-Head Attention",
    authors="Jin, Zhu, Yuan, Yan",
    year=2024,
    identifier="arXiv:2410.11842",
    number=14,
    claimed="Multi-head attention is a sum over heads; routing with per-token weights over a subset keeps accuracy.",
    read="abstract",
    limits="",
)

DING_2023 = Source(
    key="DING_2023",
    title="Visual Dependency Transformers: Dependency Tree Emerges from Reversed Attention",
    authors="Ding, et al.",
    year=2023,
    identifier="arXiv:2304.03282",
    number=28,
    claimed="Reversed attention (tokens send normalised messages) yields a dependency tree.",
    read="abstract",
    limits="",
)

LI_2024 = Source(
    key="LI_2024",
    title="The Nature of Mathematical Modeling and Probabilistic Optimization Engineering in Generative AI",
    authors="Li",
    year=2024,
    identifier="arXiv:2410.18441",
    number=48,
    claimed=(
        "Sub-word coding, RoPE+ALiBi combination, random block attention and staircase KV quantisation posed as "
        "probabilistic optimisation."
    ),
    read="abstract",
    limits="",
)

DING_2022 = Source(
    key="DING_2022",
    title="DaViT: Dual Attention Vision Transformers",
    authors="Ding, Xiao, Codella, Luo, Wang, Yuan",
    year=2022,
    identifier="arXiv:2204.03645",
    number=50,
    claimed="Channel attention sees the whole image at linear cost and complements spatial attention.",
    read="abstract",
    limits="",
)

DWIVEDI_2020 = Source(
    key="DWIVEDI_2020",
    title="A Generalization of Transformer Networks to Graphs",
    authors="Dwivedi, Bresson",
    year=2020,
    identifier="arXiv:2012.09699",
    number=59,
    claimed="Graph transformer: neighbourhood attention with Laplacian eigenvectors generalising sinusoidal positions.",
    read="abstract",
    limits="",
)

YANG_2022 = Source(
    key="YANG_2022",
    title="Focal Modulation Networks",
    authors="Yang, Li, Dai, Yuan, Gao",
    year=2022,
    identifier="arXiv:2203.11926",
    number=60,
    claimed="Attention can be replaced by hierarchical context plus gated modulation.",
    read="abstract",
    limits="",
)
