"""Normalisation, entropy, temperature and budgets: the papers, from their abstracts."""

from theory.papers.source import Source

ARIF_2025 = Source(
    key="ARIF_2025",
    title="Fixing Imbalanced Attention to Mitigate In-Context Hallucination of Large Vision-Language Model",
    authors="Arif, et al.",
    year=2025,
    identifier="arXiv:2501.12206",
    number=5,
    claimed="Visual grounding fades with depth; re-weighting heads that look at the image cuts hallucination.",
    read="abstract",
    limits="Grounding loss with depth; in the toy logit emphasis alone did NOT help.",
)

GAO_2025 = Source(
    key="GAO_2025",
    title="Softplus Attention with Re-weighting Boosts Length Extrapolation in Large Language Models",
    authors="Gao, Spratling",
    year=2025,
    identifier="arXiv:2501.13428",
    number=6,
    claimed=(
        "Softmax is a nonlinearity followed by an l1 normalisation; the normalisation is the part that matters; "
        "length-dependent scale keeps entropy stable."
    ),
    read="abstract",
    limits="",
)

KANG_2025 = Source(
    key="KANG_2025",
    title="See What You Are Told: Visual Attention Sink in Large Multimodal Models",
    authors="Kang, Kim, Kim, Hwang",
    year=2025,
    identifier="arXiv:2503.03321",
    number=10,
    claimed=(
        "Visual sink tokens take much attention yet can be removed without loss; their budget can be given to useful "
        "tokens."
    ),
    read="abstract",
    limits="That recycled attention goes to useful tokens.",
)

KITADA_2020 = Source(
    key="KITADA_2020",
    title="Attention Meets Perturbations: Robust and Interpretable Attention with Adversarial Training",
    authors="Kitada, Iyatomi",
    year=2020,
    identifier="arXiv:2009.12064",
    number=18,
    claimed=(
        "Attention weights are vulnerable to small perturbations; adversarial training on them helps accuracy and "
        "interpretability."
    ),
    read="abstract",
    limits="",
)

KITADA_2021 = Source(
    key="KITADA_2021",
    title="Making Attention Mechanisms More Robust and Interpretable with Virtual Adversarial Training",
    authors="Kitada, Iyatomi",
    year=2021,
    identifier="arXiv:2104.08763",
    number=24,
    claimed="Virtual (label-free) adversarial perturbation of attention gives sharper, more human-like attention.",
    read="abstract",
    limits="",
)

RAMAPURAM_2024 = Source(
    key="RAMAPURAM_2024",
    title="Theory, Analysis, and Best Practices for Sigmoid Self-Attention",
    authors="Ramapuram, et al.",
    year=2024,
    identifier="arXiv:2409.04431",
    number=40,
    claimed="Sigmoid attention is universal and has better regularity than softmax; large initial norm must be tamed.",
    read="abstract",
    limits="",
)

ZHAI_2023 = Source(
    key="ZHAI_2023",
    title="Stabilizing Transformer Training by Preventing Attention Entropy Collapse",
    authors="Zhai, et al.",
    year=2023,
    identifier="arXiv:2303.06296",
    number=41,
    claimed=(
        "Attention entropy is bounded below by a function falling exponentially in the spectral norm of the logits, "
        "tightly; spectral reparametrisation prevents collapse."
    ),
    read="abstract",
    limits="",
)

CHUNG_2023 = Source(
    key="CHUNG_2023",
    title=(
        "Style Injection in Diffusion: A Training-free Approach for Adapting Large-scale Diffusion Models for Style "
        "Transfer"
    ),
    authors="Chung, Hyun, Heo",
    year=2023,
    identifier="arXiv:2312.09008",
    number=51,
    claimed="Swapping keys and values from a style image transfers style; temperature scaling restores contrast.",
    read="abstract",
    limits="Style quality.",
)

ZHANG_2024 = Source(
    key="ZHANG_2024",
    title="Selective Attention: Enhancing Transformer through Principled Context Control",
    authors="Zhang, Chang, Li, Thrampoulidis, Oymak",
    year=2024,
    identifier="arXiv:2411.12892",
    number=52,
    claimed="Query- and position-dependent temperature reduces dilution and controls spikiness.",
    read="abstract",
    limits="",
)
