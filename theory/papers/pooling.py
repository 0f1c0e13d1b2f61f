"""Pooling and selection: the papers, from their abstracts."""

from theory.papers.source import Source

ABDULLAH_2024 = Source(
    key="ABDULLAH_2024",
    title="NiNformer: A Network in Network Transformer with Token Mixing Generated Gating Function",
    authors="Abdullah, Aydin",
    year=2024,
    identifier="arXiv:2403.02411",
    number=9,
    claimed=(
        "A gate that token mixing generates makes a static mixer depend on its input, at lower cost than attention."
    ),
    read="abstract",
    limits=(
        "The bounds are for fixed linear mixers and given gates; nonlinear mixers, training of the gates, accuracy "
        "and speed on images are not tested."
    ),
)

FANG_2024 = Source(
    key="FANG_2024",
    title="OAT: Object-Level Attention Transformer for Gaze Scanpath Prediction",
    authors="Fang, Yu, Zhang, van der Lans, Shi",
    year=2024,
    identifier="arXiv:2407.13335",
    number=20,
    claimed=(
        "People look at objects rather than at pixels: a transformer over objects models the order of their fixations "
        "in a search."
    ),
    read="abstract",
    limits=(
        "Human gaze is not involved: the number of fixations follows from a softmax choice without replacement, and "
        "no scanpath data are used."
    ),
)

XU_2024 = Source(
    key="XU_2024",
    title="ELA: Efficient Local Attention for Deep Convolutional Neural Networks",
    authors="Xu, Wan",
    year=2024,
    identifier="arXiv:2403.01123",
    number=21,
    claimed=(
        "Attention from two one-dimensional strips localises a region; group normalisation and an unreduced channel "
        "width serve it better than batch normalisation."
    ),
    read="abstract",
    limits=(
        "Two strips localise one rectangle exactly and several only in part; detection and classification accuracy "
        "and the cost of the module are not tested."
    ),
)

SRIDHAR_2021 = Source(
    key="SRIDHAR_2021",
    title="Class Semantics-based Attention for Action Detection",
    authors="Sridhar, Quader, Muralidharan, Li, Dai, Lu",
    year=2021,
    identifier="arXiv:2109.02613",
    number=22,
    claimed="Weighing features by class semantics helps to find where in a video an action takes place.",
    read="abstract",
    limits=(
        "The gain is that of a signal model with independent noise and given scores; whether class scores are better "
        "than chance in video, and detection accuracy, is not tested."
    ),
)

SINHA_2019 = Source(
    key="SINHA_2019",
    title="Multi-scale self-guided attention for medical image segmentation",
    authors="Sinha, Dolz",
    year=2019,
    identifier="arXiv:1906.02849",
    number=30,
    claimed=(
        "Attention over features of several scales, applied in stages that guide one another, improves segmentation "
        "of medical images."
    ),
    read="abstract",
    limits=(
        "The contraction is that of Gaussian classes of very many tokens; guidance over several scales, medical data "
        "and segmentation networks are not tested."
    ),
)

DE_MIN_2024 = Source(
    key="DE_MIN_2024",
    title="Less is more: Summarizing Patch Tokens for efficient Multi-Label Class-Incremental Learning",
    authors="De Min, Mancini, Lathuilière, Roy, Ricci",
    year=2024,
    identifier="arXiv:2405.15633",
    number=31,
    claimed=(
        "Separate pathways for the tasks, over a few tokens that summarise the image, avoid the choice of prompts in "
        "incremental learning."
    ),
    read="abstract",
    limits=(
        "The coupling of prompts and the summaries are those of given keys and hard clusters; learned summaries and "
        "forgetting over real tasks are not tested."
    ),
)

EFTEKHAR_2023 = Source(
    key="EFTEKHAR_2023",
    title="Selective Visual Representations Improve Convergence and Generalization for Embodied AI",
    authors="Eftekhar, Zeng, Duan, Farhadi, Kembhavi, Krishna",
    year=2023,
    identifier="arXiv:2311.04193",
    number=32,
    claimed=(
        "A small codebook conditioned on the task filters irrelevant visual features, and an agent then learns faster "
        "and generalises better."
    ),
    read="abstract",
    limits=(
        "The codebook bounds how far a nuisance can move the output; that an agent learns faster or generalises "
        "better with one is not tested."
    ),
)

SAINI_2020 = Source(
    key="SAINI_2020",
    title="ULSAM: Ultra-Lightweight Subspace Attention Module for Compact Convolutional Neural Networks",
    authors="Saini, Jha, Das, Mittal, Mohan",
    year=2020,
    identifier="arXiv:2006.15102",
    number=34,
    claimed="One attention map for each subspace of features lets a compact network use several scales at little cost.",
    read="abstract",
    limits=(
        "The error of a shared map is for white features and given target maps; accuracy and total operation counts "
        "of the compact networks are not tested."
    ),
)

ZHANG_2023 = Source(
    key="ZHANG_2023",
    title="Attention-Challenging Multiple Instance Learning for Whole Slide Image Classification",
    authors="Zhang, Li, Sun, Zheng, Zhu, Yang",
    year=2023,
    identifier="arXiv:2311.07125",
    number=39,
    claimed=(
        "Attention in multiple-instance learning concentrates on few instances and overfits; several branches and "
        "random masking of the top instances counter it."
    ),
    read="abstract",
    limits=(
        "Gradients and masking are those of one pooling layer with given weights; that branches or masking spread "
        "attention in training, or improve the classification of slides, is not tested."
    ),
)

IOANNIDES_2024 = Source(
    key="IOANNIDES_2024",
    title="Gaussian Adaptive Attention is All You Need: Robust Contextual Representations Across Multiple Modalities",
    authors="Ioannides, Chadha, Elkins",
    year=2024,
    identifier="arXiv:2401.11143",
    number=44,
    claimed="Attention weights made of Gaussians with learnable mean and variance can follow any distribution.",
    read="abstract and public code of the module",
    limits=(
        "The analysis is of the product form of the public module; that several heads fit any distribution, and the "
        "results on speech, text and images, are not tested."
    ),
)

ADIGA_2022 = Source(
    key="ADIGA_2022",
    title="Attention-based Dynamic Subspace Learners for Medical Image Analysis",
    authors="Adiga, Dolz, Lombaert",
    year=2022,
    identifier="arXiv:2206.09068",
    number=45,
    claimed=(
        "Several learners, each with a subspace of the embedding, capture the attributes of medical images better "
        "than one metric, and their number can be found while training."
    ),
    read="abstract",
    limits=(
        "The count of learners is a combinatorial optimum for binary attributes; that training finds it, attention "
        "masks and medical retrieval are not tested."
    ),
)

SONG_2023 = Source(
    key="SONG_2023",
    title="Conditional Cross Attention Network for Multi-Space Embedding without Entanglement in Only a SINGLE Network",
    authors="Song, Hwang, Yoon, Choi, Gu",
    year=2023,
    identifier="arXiv:2307.13254",
    number=56,
    claimed=(
        "Cross-attention conditioned on the attribute lets one network embed several attributes without entanglement."
    ),
    read="abstract",
    limits=(
        "Entanglement is computed for independent attributes of equal variance; retrieval on fashion or other images "
        "is not tested."
    ),
)

ITO_2024 = Source(
    key="ITO_2024",
    title="On the generalization capacity of neural networks during generic multimodal reasoning",
    authors="Ito, Dan, Rigotti, Kozloski, Campbell",
    year=2024,
    identifier="arXiv:2401.15030",
    number=68,
    claimed=(
        "Cross-attention or deeper attention helps a model to generalise over distractors and new combinations; none "
        "of the models generalised to harder compositions."
    ),
    read="abstract",
    limits=(
        "Binding and distractors are tested in formulas and at most small layers; productive generalisation and the "
        "effect of depth are not tested."
    ),
)

ZHANG_2024_HYPERZZW = Source(
    key="ZHANG_2024_HYPERZZW",
    title="HyperZ·Z·W Operator Connects Slow-Fast Networks for Full Context Interaction",
    authors="Zhang",
    year=2024,
    identifier="arXiv:2401.17948",
    number=69,
    claimed=(
        "Kernels generated from coordinates, multiplied with the activations, let each layer see the whole context, "
        "without residual connections."
    ),
    read="abstract",
    limits=(
        "Static kernels are bounded and the product form reaches the target by construction; learned kernels, removal "
        "of residual connections and accuracy are not tested."
    ),
)
