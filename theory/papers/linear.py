"""Linear attention, state spaces and memory: the papers, from their abstracts."""

from theory.papers.source import Source

WU_2022 = Source(
    key="WU_2022",
    title="Flowformer: Linearizing Transformers with Conservation Flows",
    authors="Wu, Wu, Xu, Wang, Long",
    year=2022,
    identifier="arXiv:2202.06258",
    number=4,
    claimed=(
        "Attention seen as a flow: when what each sink receives and each source sends is normalised, competition "
        "returns at linear cost."
    ),
    read="abstract and public code of the attention",
    limits=(
        "Conservation is exact for the ideal normalisation, and broken by the clamp and the epsilon of the public "
        "code; accuracy and speed on long sequences are not tested."
    ),
)

SIEBER_2024 = Source(
    key="SIEBER_2024",
    title=(
        "Understanding the differences in Foundation Models: Attention, State Space Models, and Recurrent Neural "
        "Networks"
    ),
    authors="Sieber, Amo Alonso, Didier, Zeilinger, Orvieto",
    year=2024,
    identifier="arXiv:2405.15731",
    number=8,
    claimed=(
        "Attention, state-space models and recurrent networks fit one form of dynamical system; linear attention and "
        "state-space models coincide under conditions, softmax only approximately."
    ),
    read="abstract",
    limits=(
        "The forms are compared as functions of given sequences; no selective model is trained, and neither accuracy "
        "nor speed is compared."
    ),
)

HAN_2023 = Source(
    key="HAN_2023",
    title="Agent Attention: On the Integration of Softmax and Linear Attention",
    authors="Han, Ye, Han, Xia, Song, Huang",
    year=2023,
    identifier="arXiv:2312.08874",
    number=15,
    claimed=(
        "Two softmax maps through a few agent tokens are a generalised linear attention, between softmax and linear "
        "in cost and expressiveness."
    ),
    read="abstract",
    limits=(
        "Rank, row sums and cost are those of the two maps alone; the depth-wise convolution, the biases and the "
        "accuracy on images are not tested."
    ),
)

HAN_2024 = Source(
    key="HAN_2024",
    title="Bridging the Divide: Reconsidering Softmax and Linear Attention",
    authors="Han, Pu, Xia, Han, Pan, Li, Lu, Song, Huang",
    year=2024,
    identifier="arXiv:2412.06590",
    number=26,
    claimed=(
        "Linear attention can give two queries the same weights where softmax does not; this, and missing locality, "
        "are what linear attention lacks."
    ),
    read="abstract",
    limits=(
        "Collisions and recovery are exact for given keys; how often trained queries collide, and whether injectivity "
        "or locality decides accuracy, is not tested."
    ),
)

DAI_2022 = Source(
    key="DAI_2022",
    title="Why Can GPT Learn In-Context? Language Models Implicitly Perform Gradient Descent as Meta-Optimizers",
    authors="Dai, Sun, Dong, Hao, Ma, Sui, Wei",
    year=2022,
    identifier="arXiv:2212.10559",
    number=33,
    claimed=(
        "Linear attention over demonstrations is one gradient step on a linear model, and learning in context behaves "
        "similarly to finetuning."
    ),
    read="abstract",
    limits=(
        "The identity is exact for linear attention without normalisation; that softmax attention, or a language "
        "model, learns by such steps is not tested."
    ),
)

BEHROUZ_2024 = Source(
    key="BEHROUZ_2024",
    title="Titans: Learning to Memorize at Test Time",
    authors="Behrouz, Zhong, Mirrokni",
    year=2024,
    identifier="arXiv:2501.00663",
    number=47,
    claimed=(
        "A memory that is trained at test time, by gradient steps with momentum and forgetting, complements the short "
        "memory of attention."
    ),
    read="abstract",
    limits=(
        "The memory is linear and its rates are given; deep memories, learned rates and long-context results are not "
        "tested."
    ),
)

QIN_2024 = Source(
    key="QIN_2024",
    title="Lightning Attention-2: A Free Lunch for Handling Unlimited Sequence Lengths in Large Language Models",
    authors="Qin, Sun, Li, Shen, Sun, Zhong",
    year=2024,
    identifier="arXiv:2401.04658",
    number=58,
    claimed=(
        "Computing causal linear attention in tiles, dense inside a tile and by a carried state between tiles, avoids "
        "the cumulative sum and reaches linear cost in practice."
    ),
    read="abstract",
    limits=(
        "Equality of the tiled and the direct result, and operation counts, are checked; wall-clock speed on "
        "accelerators and language quality are not tested."
    ),
)

QIN_2024_LENGTHS = Source(
    key="QIN_2024_LENGTHS",
    title="Various Lengths, Constant Speed: Efficient Language Modeling with Lightning Attention",
    authors="Qin, Sun, Li, Shen, Sun, Zhong",
    year=2024,
    identifier="arXiv:2405.17381",
    number=61,
    claimed=(
        "Dense products inside blocks and a carried state between them keep the training speed of linear attention "
        "constant over lengths."
    ),
    read="abstract",
    limits=(
        "Operations per token do not grow with the length, which is not yet a measured speed; the gated architecture "
        "and its language results are not tested."
    ),
)

LUO_2021 = Source(
    key="LUO_2021",
    title="Stable, Fast and Accurate: Kernelized Attention with Relative Positional Encoding",
    authors="Luo, Li, Cai, He, Peng, Zheng, Ke, Wang, Liu",
    year=2021,
    identifier="arXiv:2106.12566",
    number=62,
    claimed=(
        "Kernelised attention with relative positions is computable by FFT in O(n log n), and the relative positions "
        "stabilise its training."
    ),
    read="abstract",
    limits=(
        "Equality of the FFT and the dense result is checked at small sizes; stability of training from scratch and "
        "translation or vision accuracy are not tested."
    ),
)

ZHANG_2024_HEDGEHOG = Source(
    key="ZHANG_2024_HEDGEHOG",
    title="The Hedgehog & the Porcupine: Expressive Linear Attentions with Softmax Mimicry",
    authors="Zhang, Bhatia, Kumbong, Ré",
    year=2024,
    identifier="arXiv:2402.04347",
    number=64,
    claimed=(
        "Softmax attention is spiky and monotone in the dot product, earlier linear feature maps are neither; feature "
        "maps can be trained to mimic both properties."
    ),
    read="abstract",
    limits=(
        "The Taylor map is exact, and monotonicity of a trained map is a result of training that is not tested; nor "
        "are language quality and conversion of pre-trained models."
    ),
)

FU_2024 = Source(
    key="FU_2024",
    title="LaMamba-Diff: Linear-Time High-Fidelity Diffusion Models Based on Local Attention and Mamba",
    authors="Fu, Chen, Yu",
    year=2024,
    identifier="arXiv:2408.02615",
    number=67,
    claimed=(
        "Local attention and a state-space scan together have the merits of attention at linear cost in image "
        "diffusion."
    ),
    read="abstract",
    limits=(
        "The bounds are for fixed linear states of independent tokens, which input-gated scans escape; image "
        "diffusion is not tested."
    ),
)
