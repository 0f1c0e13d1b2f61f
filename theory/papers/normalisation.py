"""Normalisation, entropy, temperature and budgets: the papers, from their abstracts."""

from theory.papers.source import Source

ARIF_2025 = Source(
    key="ARIF_2025",
    title="Fixing Imbalanced Attention to Mitigate In-Context Hallucination of Large Vision-Language Model",
    authors="Arif, Dip, Hussain, Zhang, Thomas",
    year=2025,
    identifier="arXiv:2501.12206",
    number=5,
    claimed=(
        "Attention to the image fades with depth; emphasising image tokens and the heads that look at them makes a "
        "vision-language model name fewer objects that are not there."
    ),
    read="abstract",
    limits=(
        "That attention to the image fades with depth is not tested, nor any hallucination rate; the identities say "
        "how mass and odds move, not that raising image logits helps."
    ),
)

GAO_2025 = Source(
    key="GAO_2025",
    title="Softplus Attention with Re-weighting Boosts Length Extrapolation in Large Language Models",
    authors="Gao, Spratling",
    year=2025,
    identifier="arXiv:2501.13428",
    number=6,
    claimed=(
        "Softmax is a nonlinearity followed by an l1 normalisation, of which the normalisation matters most; a scale "
        "that depends on the length keeps attention stable on longer inputs."
    ),
    read="abstract",
    limits=(
        "Length extrapolation of a trained model is not tested; the law of the entropy is for independent Gaussian "
        "logits."
    ),
)

KANG_2025 = Source(
    key="KANG_2025",
    title="See What You Are Told: Visual Attention Sink in Large Multimodal Models",
    authors="Kang, Kim, Kim, Hwang",
    year=2025,
    identifier="arXiv:2503.03321",
    number=10,
    claimed=(
        "Some image tokens draw much attention but carry no information; their share of the attention can be given to "
        "other image tokens without training."
    ),
    read="abstract",
    limits=(
        "No multimodal model is looked at: which tokens are sinks, and whether tokens that receive the freed "
        "attention are useful ones, is not tested."
    ),
)

KITADA_2020 = Source(
    key="KITADA_2020",
    title="Attention Meets Perturbations: Robust and Interpretable Attention with Adversarial Training",
    authors="Kitada, Iyatomi",
    year=2020,
    identifier="arXiv:2009.12064",
    number=18,
    claimed=(
        "Small perturbations of attention logits change what a model predicts; training against the worst of them "
        "makes predictions and attention weights more reliable."
    ),
    read="abstract",
    limits=(
        "The bounds are worst cases over all perturbations of given logits; that training against them helps accuracy "
        "or interpretability is not tested."
    ),
)

KITADA_2021 = Source(
    key="KITADA_2021",
    title="Making Attention Mechanisms More Robust and Interpretable with Virtual Adversarial Training",
    authors="Kitada, Iyatomi",
    year=2021,
    identifier="arXiv:2104.08763",
    number=24,
    claimed=(
        "Adversarial perturbation of attention that needs no labels makes attention sharper and closer to what people "
        "mark as evidence."
    ),
    read="abstract",
    limits=(
        "The divergence bounds need no labels, but the semi-supervised training and the agreement with human "
        "annotation are not tested."
    ),
)

RAMAPURAM_2024 = Source(
    key="RAMAPURAM_2024",
    title="Theory, Analysis, and Best Practices for Sigmoid Self-Attention",
    authors="Ramapuram, Danieli, Dhekane, Weers, Busbridge, Ablin, Likhomanenko, Digani, Gu, Shidani, Webb",
    year=2024,
    identifier="arXiv:2409.04431",
    number=40,
    claimed=(
        "Sigmoid attention is a universal approximator with better regularity than softmax; large norms at the start "
        "of training must be tamed."
    ),
    read="abstract",
    limits=(
        "The bound on the Jacobian is checked, and a smaller worst case than that of softmax does not follow; "
        "universality, training at scale and kernel speed are not tested."
    ),
)

ZHAI_2023 = Source(
    key="ZHAI_2023",
    title="Stabilizing Transformer Training by Preventing Attention Entropy Collapse",
    authors="Zhai, Likhomanenko, Littwin, Busbridge, Ramapuram, Zhang, Gu, Susskind",
    year=2023,
    identifier="arXiv:2303.06296",
    number=41,
    claimed=(
        "Attention entropy has a lower bound that falls exponentially with the spectral norm of the logits; "
        "controlling that norm prevents entropy collapse and unstable training."
    ),
    read="abstract",
    limits=(
        "The bound is sharp for one vector of logits and very loose for matrices of practical norm; that collapse "
        "causes instability, and the reparametrisation, is not tested in training."
    ),
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
    claimed=(
        "Replacing keys and values by those of a style image transfers style; blended queries keep the content, and a "
        "temperature restores the sharpness of attention."
    ),
    read="abstract",
    limits=(
        "Blends and temperatures are exact for given queries and keys; that foreign keys flatten attention in a "
        "diffusion model, and the quality of transferred styles, are not tested."
    ),
)

ZHANG_2024 = Source(
    key="ZHANG_2024",
    title="Selective Attention: Enhancing Transformer through Principled Context Control",
    authors="Zhang, Chang, Li, Roy-Chowdhury, Chen, Oymak",
    year=2024,
    identifier="arXiv:2411.12892",
    number=52,
    claimed=(
        "A temperature that depends on the query and on its position reduces the dilution of attention with length "
        "and controls its sharpness."
    ),
    read="abstract",
    limits=(
        "Temperatures are computed for given logits and gaps; that training learns them, and language modelling "
        "results, are not tested."
    ),
)
