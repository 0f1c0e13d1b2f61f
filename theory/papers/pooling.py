"""Pooling and selection: the papers, from their abstracts."""

from theory.papers.source import Source

ABDULLAH_2024 = Source(
    key="ABDULLAH_2024",
    title="NiNformer: A Network in Network Transformer with Token Mixing Generated Gating Function",
    authors="Abdullah, Sun",
    year=2024,
    identifier="arXiv:2403.02411",
    number=9,
    claimed="A gate produced by token mixing makes a static mixer input-dependent at lower cost.",
    read="abstract",
    limits="Accuracy, training of gates.",
)

FANG_2024 = Source(
    key="FANG_2024",
    title="OAT: Object-Level Attention Transformer for Gaze Scanpath Prediction",
    authors="Fang, et al.",
    year=2024,
    identifier="arXiv:2407.13335",
    number=20,
    claimed="Object-level transformer predicts human scanpaths better than pixel saliency.",
    read="abstract",
    limits="Human gaze.",
)

XU_2024 = Source(
    key="XU_2024",
    title="ELA: Efficient Local Attention for Deep Convolutional Neural Networks",
    authors="Xu, Wan",
    year=2024,
    identifier="arXiv:2403.01123",
    number=21,
    claimed="Replacing batch norm by group norm and avoiding channel reduction improves coordinate attention.",
    read="abstract",
    limits="Accuracy; the caption 'localises regions' holds for ONE rectangle only.",
)

SRIDHAR_2021 = Source(
    key="SRIDHAR_2021",
    title="Class Semantics-based Attention for Action Detection",
    authors="Sridhar, et al.",
    year=2021,
    identifier="arXiv:2109.02613",
    number=22,
    claimed="Class-semantics attention improves action localisation by about six mAP percent.",
    read="abstract",
    limits="MAP.",
)

SINHA_2019 = Source(
    key="SINHA_2019",
    title="Multi-scale self-guided attention for medical image segmentation",
    authors="Sinha, Dolz",
    year=2019,
    identifier="arXiv:1906.02849",
    number=30,
    claimed="Multi-scale guided self-attention improves medical segmentation.",
    read="abstract",
    limits="Medical data; a second guided pass gave nothing.",
)

DE_MIN_2024 = Source(
    key="DE_MIN_2024",
    title="Less is more: Summarizing Patch Tokens for efficient Multi-Label Class-Incremental Learning",
    authors="De Min, Mancini, Lathuiliere, Roy, Ricci",
    year=2024,
    identifier="arXiv:2405.15633",
    number=31,
    claimed="Separate task pathways with summarised tokens remove the need to pick prompts in incremental learning.",
    read="abstract",
    limits="Forgetting benchmarks.",
)

EFTEKHAR_2023 = Source(
    key="EFTEKHAR_2023",
    title="Selective Visual Representations Improve Convergence and Generalization for Embodied AI",
    authors="Eftekhar, Zeng, et al.",
    year=2023,
    identifier="arXiv:2311.04193",
    number=32,
    claimed="A small task-conditioned codebook filters irrelevant features, faster convergence and better transfer.",
    read="abstract",
    limits="Better learning: a trained toy gave NO consistent gain over tanh/ReLU bottlenecks.",
)

SAINI_2020 = Source(
    key="SAINI_2020",
    title="ULSAM: Ultra-Lightweight Subspace Attention Module for Compact Convolutional Neural Networks",
    authors="Saini, Jha, Das, Mittal, Mohan",
    year=2020,
    identifier="arXiv:2006.15102",
    number=34,
    claimed="One attention map for each feature subspace is cheap and multi-scale.",
    read="abstract",
    limits="Accuracy, FLOPs.",
)

ZHANG_2023 = Source(
    key="ZHANG_2023",
    title="Attention-Challenging Multiple Instance Learning for Whole Slide Image Classification",
    authors="Zhang, et al.",
    year=2023,
    identifier="arXiv:2311.07125",
    number=39,
    claimed=(
        "Attention in multiple-instance learning concentrates on few instances and overfits; masking top-k at random "
        "helps."
    ),
    read="abstract",
    limits="AUC: not consistent; masking alone did not spread test attention.",
)

IOANNIDES_2024 = Source(
    key="IOANNIDES_2024",
    title="Gaussian Adaptive Attention is All You Need: Robust Contextual Representations Across Multiple Modalities",
    authors="Ioannides, Chadha, Elkins",
    year=2024,
    identifier="arXiv:2401.11143",
    number=44,
    claimed="Attention weights from learnable Gaussian mean and variance can fit any distribution.",
    read="abstract",
    limits="",
)

ADIGA_2022 = Source(
    key="ADIGA_2022",
    title="Attention-based Dynamic Subspace Learners for Medical Image Analysis",
    authors="Adiga, Dolz, Lombaert",
    year=2022,
    identifier="arXiv:2206.09068",
    number=45,
    claimed="Several learned subspace metrics with attention improve medical clustering and retrieval.",
    read="abstract",
    limits="Finding S by training; attention masks.",
)

SONG_2023 = Source(
    key="SONG_2023",
    title="Conditional Cross Attention Network for Multi-Space Embedding without Entanglement in Only a SINGLE Network",
    authors="Song, et al.",
    year=2023,
    identifier="arXiv:2307.13254",
    number=56,
    claimed="Conditional cross attention embeds several attributes without entanglement in one backbone.",
    read="abstract",
    limits="Retrieval benchmarks.",
)

ITO_2024 = Source(
    key="ITO_2024",
    title="On the generalization capacity of neural networks during generic multimodal reasoning",
    authors="Ito, Dan, Rigotti, Kozloski, Campbell",
    year=2024,
    identifier="arXiv:2401.15030",
    number=68,
    claimed=(
        "Cross-attention or deeper attention helps distractor and systematic generalisation, none helps productive "
        "generalisation."
    ),
    read="abstract",
    limits="Productive generalisation, depth.",
)

ZHANG_2024_HYPERZZW = Source(
    key="ZHANG_2024_HYPERZZW",
    title="HyperZcdotZcdotW Operator Connects Slow-Fast Networks for Full Context Interaction",
    authors="Zhang",
    year=2024,
    identifier="arXiv:2401.17948",
    number=69,
    claimed="Coordinate-generated kernels times activations give full context in each layer without residuals.",
    read="abstract",
    limits="Removal of residuals, accuracy.",
)
