"""Heads, pointers, channels, positions and modulation: the papers, from their abstracts."""

from theory.papers.source import Source

LIN_2025 = Source(
    key="LIN_2025",
    title="Sigma: Differential Rescaling of Query, Key and Value for Efficient Language Models",
    authors="Lin, Tang, Liu, Gong, et al.",
    year=2025,
    identifier="arXiv:2501.13629",
    number=1,
    claimed=(
        "Keys can be compressed more than values at little cost in quality, so that the two may be given different "
        "numbers of heads and the queries more width."
    ),
    read="abstract",
    limits=(
        "No language model is trained: whether keys compress better than values there stays open, since in our "
        "formula the sign depends on the scale of the logits."
    ),
)

VINYALS_2015 = Source(
    key="VINYALS_2015",
    title="Pointer Networks",
    authors="Vinyals, Fortunato, Jaitly",
    year=2015,
    identifier="arXiv:1506.03134",
    number=7,
    claimed=(
        "Attention used as a pointer into the input solves problems whose output vocabulary is the input itself, also "
        "at lengths beyond those trained on."
    ),
    read="abstract",
    limits=(
        "The pointer is constructed and not learned: that training finds it, and the results on convex hulls, "
        "triangulations and tours, are not tested."
    ),
)

JIN_2024 = Source(
    key="JIN_2024",
    title="MoH: Multi-Head Attention as Mixture-of-Head Attention",
    authors="Jin, Zhu, Yuan, Yan",
    year=2024,
    identifier="arXiv:2410.11842",
    number=14,
    claimed=(
        "Multi-head attention is a sum over heads; routing each token to a weighted part of the heads can keep "
        "accuracy with fewer of them."
    ),
    read="abstract",
    limits=(
        "The sum over heads and the error of dropped heads are exact for given weights; that a trained router keeps "
        "accuracy with fewer heads is not tested."
    ),
)

DING_2023 = Source(
    key="DING_2023",
    title="Visual Dependency Transformers: Dependency Tree Emerges from Reversed Attention",
    authors="Ding, Shen, Fan, Chen, Chen, Luo, Tenenbaum, Gan",
    year=2023,
    identifier="arXiv:2304.03282",
    number=28,
    claimed=(
        "In reversed attention, where tokens send normalised messages, dependencies between parts and wholes form a "
        "tree."
    ),
    read="abstract",
    limits="Conservation of messages is exact, but that a tree of parts emerges from training on images is not tested.",
)

LI_2024 = Source(
    key="LI_2024",
    title="The Nature of Mathematical Modeling and Probabilistic Optimization Engineering in Generative AI",
    authors="Li",
    year=2024,
    identifier="arXiv:2410.18441",
    number=48,
    claimed=(
        "Sub-word coding, a combination of rotary positions and distance biases, random block attention and staircase "
        "quantisation of the cache are posed as probabilistic optimisation."
    ),
    read="abstract",
    limits=(
        "Positions, masks of blocks and bits of cached values are checked for given scores; sub-word coding, the "
        "search for hyper-parameters and the quality of a generative model are not."
    ),
)

DING_2022 = Source(
    key="DING_2022",
    title="DaViT: Dual Attention Vision Transformers",
    authors="Ding, Xiao, Codella, Luo, Wang, Yuan",
    year=2022,
    identifier="arXiv:2204.03645",
    number=50,
    claimed=(
        "Attention between channels sees the whole image at linear cost and complements attention within spatial "
        "windows."
    ),
    read="abstract",
    limits=(
        "Equivariance and cost are those of the channel operator; that it complements spatial windows in a trained "
        "network is not tested."
    ),
)

DWIVEDI_2020 = Source(
    key="DWIVEDI_2020",
    title="A Generalization of Transformer Networks to Graphs",
    authors="Dwivedi, Bresson",
    year=2020,
    identifier="arXiv:2012.09699",
    number=59,
    claimed=(
        "A graph transformer attends to neighbours and takes Laplacian eigenvectors as positions, which generalise "
        "sinusoidal ones."
    ),
    read="abstract",
    limits=(
        "Spectra are those of paths, rings and grids, and the equivariance is of one layer; the choice of signs in "
        "training and results on graph benchmarks are not tested."
    ),
)

YANG_2022 = Source(
    key="YANG_2022",
    title="Focal Modulation Networks",
    authors="Yang, Li, Dai, Yuan, Gao",
    year=2022,
    identifier="arXiv:2203.11926",
    number=60,
    claimed=(
        "Self-attention can be replaced by modulation: a hierarchy of contexts, gathered by gates and injected into "
        "the query."
    ),
    read="abstract",
    limits=(
        "Receptive field and equivariance are those of one block with linear contexts; that it can replace attention "
        "in accuracy is not tested."
    ),
)
