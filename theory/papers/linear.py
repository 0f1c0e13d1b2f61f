"""Linear attention, state spaces and memory: the papers, from their abstracts."""

from theory.papers.source import Source

WU_2022 = Source(
    key="WU_2022",
    title="Flowformer: Linearizing Transformers with Conservation Flows",
    authors="Wu, Wu, Xu, Wang, Long",
    year=2022,
    identifier="arXiv:2202.06258",
    number=4,
    claimed="Normalising in- and out-flow gives linear-cost attention whose flow is conserved.",
    read="abstract",
    limits="",
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
        "Linear attention, selective SSM and RNN fit one dynamical-system form; linear attention and SSM coincide "
        "under conditions; softmax only approximately."
    ),
    read="abstract",
    limits="",
)

HAN_2023 = Source(
    key="HAN_2023",
    title="Agent Attention: On the Integration of Softmax and Linear Attention",
    authors="Han, Ye, Han, Xia, Song, Huang",
    year=2023,
    identifier="arXiv:2312.08874",
    number=15,
    claimed="Agent attention (two softmax maps through few agents) is a generalised linear attention.",
    read="abstract",
    limits="",
)

HAN_2024 = Source(
    key="HAN_2024",
    title="Bridging the Divide: Reconsidering Softmax and Linear Attention",
    authors="Han, et al.",
    year=2024,
    identifier="arXiv:2412.06590",
    number=26,
    claimed="Linear attention is not injective, softmax is under a rank condition; locality is the second gap.",
    read="abstract",
    limits="",
)

DAI_2022 = Source(
    key="DAI_2022",
    title="Why Can GPT Learn In-Context? Language Models Implicitly Perform Gradient Descent as Meta-Optimizers",
    authors="Dai, et al.",
    year=2022,
    identifier="arXiv:2212.10559",
    number=33,
    claimed=(
        "Linear attention over demonstrations equals one gradient step on a linear model; in-context learning "
        "resembles finetuning."
    ),
    read="abstract",
    limits="",
)

BEHROUZ_2024 = Source(
    key="BEHROUZ_2024",
    title="Titans: Learning to Memorize at Test Time",
    authors="Behrouz, Zhong, Mirrokni",
    year=2024,
    identifier="arXiv:2501.00663",
    number=47,
    claimed="A test-time memory trained by momentum gradient steps with forgetting complements attention.",
    read="abstract",
    limits="",
)

QIN_2024 = Source(
    key="QIN_2024",
    title="Lightning Attention-2: A Free Lunch for Handling Unlimited Sequence Lengths in Large Language Models",
    authors="Qin, et al.",
    year=2024,
    identifier="arXiv:2401.04658",
    number=58,
    claimed="Tiled causal linear attention (dense inside block, state between blocks) removes the cumsum.",
    read="abstract",
    limits="",
)

QIN_2024_LENGTHS = Source(
    key="QIN_2024_LENGTHS",
    title="Various Lengths, Constant Speed: Efficient Language Modeling with Lightning Attention",
    authors="Qin, et al.",
    year=2024,
    identifier="arXiv:2405.17381",
    number=61,
    claimed="Same intra/inter split gives constant speed for all lengths; new architecture on top.",
    read="abstract",
    limits="",
)

LUO_2021 = Source(
    key="LUO_2021",
    title="Stable, Fast and Accurate: Kernelized Attention with Relative Positional Encoding",
    authors="Luo, et al.",
    year=2021,
    identifier="arXiv:2106.12566",
    number=62,
    claimed=(
        "Kernelised attention with relative positions is computable by FFT in O(n log n); relative positions also "
        "stabilise it."
    ),
    read="abstract",
    limits="",
)

ZHANG_2024_HEDGEHOG = Source(
    key="ZHANG_2024_HEDGEHOG",
    title="The Hedgehog & the Porcupine: Expressive Linear Attentions with Softmax Mimicry",
    authors="Zhang, Bhatia, Kumbong, Re",
    year=2024,
    identifier="arXiv:2402.04347",
    number=64,
    claimed="Softmax is spiky and monotone in the dot product; earlier linear maps are not; a learned map is both.",
    read="abstract",
    limits="",
)

FU_2024 = Source(
    key="FU_2024",
    title="LaMamba-Diff: Linear-Time High-Fidelity Diffusion Models Based on Local Attention and Mamba",
    authors="Fu, et al.",
    year=2024,
    identifier="arXiv:2408.02615",
    number=67,
    claimed="Local attention plus state-space scan reaches attention quality at linear cost in diffusion.",
    read="abstract",
    limits="Diffusion; selective (input-gated) scans escape the bound.",
)
