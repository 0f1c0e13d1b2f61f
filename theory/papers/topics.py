"""The papers of the five topics, and the methods that they rest on."""

from theory.papers.source import Source

GUO_2024 = Source(
    key="GUO_2024",
    number=36,
    title="Active-Dormant Attention Heads: Mechanistically Demystifying Extreme-Token Phenomena in LLMs",
    authors="Guo, Pai, Bai, Jiao, Jordan, Mei",
    year=2024,
    identifier="arXiv:2410.13835",
    claimed=(
        "On Bigram-Backcopy a one-layer transformer grows an attention sink on the begin token and drains its value "
        "state; the two reinforce each other, and the sink logit grows like half the logarithm of time."
    ),
    read="abstract, public code and its saved results; statements of the text are as recalled",
    limits=(
        "The statements are about the small task and our flow models of it; sinks of large language models, and where "
        "active and dormant heads occur in them, are not tested."
    ),
)

GU_2024 = Source(
    key="GU_2024",
    number=43,
    title="When Attention Sink Emerges in Language Models: An Empirical View",
    authors="Gu, Pang, Du, Liu, Zhang, Du, Wang, Lin",
    year=2024,
    identifier="arXiv:2410.10781",
    claimed=(
        "Sinks emerge during pre-training and act like key biases; a learnable key bias with zero value takes the sink "
        "over, and sigmoid attention without normalisation shows none."
    ),
    read="public code of the sink metric; results of the text as recalled from third-party notes",
    limits=(
        "Emergence of sinks with data, size and steps of pre-training is not tested: the floor is for a head that "
        "must do nothing, and small trained layers stand for language models."
    ),
)

BONDARENKO_2023 = Source(
    key="BONDARENKO_2023",
    number=37,
    title="Quantizable Transformers: Removing Outliers by Helping Attention Heads Do Nothing",
    authors="Bondarenko, Nagel, Blankevoort",
    year=2023,
    identifier="arXiv:2306.12929",
    claimed=(
        "Heads that want to do nothing push softmax to its limits and so create activation outliers; clipped softmax "
        "and gated attention remove them."
    ),
    read="public code of clipped softmax, gates and outlier metrics; the text as recalled",
    limits=(
        "Exact zeros and sinks are checked in formulas and a small layer; quantisation error and the accuracy of "
        "quantised language or image models are not tested."
    ),
)

TIAN_2023 = Source(
    key="TIAN_2023",
    number=25,
    title="Scan and Snap: Understanding Training Dynamics and Token Composition in 1-layer Transformer",
    authors="Tian, Wang, Chen, Du",
    year=2023,
    identifier="arXiv:2305.16380",
    claimed=(
        "One layer of attention without positions scans: it moves weight from tokens common to several next tokens to "
        "distinct ones, most to those that co-occur most; then it snaps, and attention hardly moves any more."
    ),
    read="in a text extraction with scrambled formulas, and public code with its logs",
    limits=(
        "The theory is followed for one layer at small vocabulary in our reading of scrambled formulas; natural text "
        "enters only as tables of next-token counts."
    ),
)

TIAN_2023_JOMA = Source(
    key="TIAN_2023_JOMA",
    title="JoMA: Demystifying Multilayer Transformers via JOint Dynamics of MLP and Attention",
    authors="Tian, Wang, Zhang, Chen, Du",
    year=2023,
    identifier="arXiv:2310.00535",
    claimed=(
        "Attention logits are a function of the MLP weights below them, so that attention integrates out; with "
        "nonlinear activations attention first becomes sparse, then dense again."
    ),
    read="abstract, review digests and figure scripts; statements as recalled",
)

TARZANAGH_2023 = Source(
    key="TARZANAGH_2023",
    number=54,
    title="Transformers as Support Vector Machines",
    authors="Ataee Tarzanagh, Li, Thrampoulidis, Oymak",
    year=2023,
    identifier="arXiv:2308.16898",
    claimed=(
        "Gradient descent on attention weights W is drawn towards the max-margin separation of the best token of each "
        "sequence from the others, in Frobenius norm; on factors K and Q, in nuclear norm of K Q^T."
    ),
    read="abstract, public code and the figures stored with it; statements of the text are as recalled",
    limits=(
        "Convergence in direction is checked on small problems at finite times; deep or multi-head transformers and "
        "language data are not tested."
    ),
)

TARZANAGH_2023_MMTS = Source(
    key="TARZANAGH_2023_MMTS",
    title="Max-Margin Token Selection in Attention Mechanism",
    authors="Ataee Tarzanagh, Li, Zhang, Oymak",
    year=2023,
    identifier="arXiv:2306.13596",
    claimed=(
        "Gradient descent on a prompt converges in direction to the max-margin separation of locally optimal tokens "
        "from the others; trained with a head, sequences that are no support vectors of the head need not be separated."
    ),
    read="abstract, public code and its solver logs; statements of the text are as recalled",
)

SALMON_2011 = Source(
    key="SALMON_2011",
    title="Parallel Random Numbers: As Easy as 1, 2, 3",
    authors="Salmon, Moraes, Dror, Shaw",
    year=2011,
    identifier="doi:10.1145/2063384.2063405",
    claimed="Counter-based generators give independent streams without state; test vectors are published.",
    read="test vectors",
)

FU_2023 = Source(
    key="FU_2023",
    number=17,
    title="What can a Single Attention Layer Learn? A Study Through the Random Features Lens",
    authors="Fu, Guo, Bai, Mei",
    year=2023,
    identifier="arXiv:2307.11353",
    claimed=(
        "One layer of attention with frozen random queries and keys and trained values learns permutation-invariant "
        "targets from fewer samples than a random-feature MLP; biased weights help where query and keys correlate."
    ),
    read="abstract and a third-party summary of sections; statements of the text are as recalled",
    limits=(
        "The regressions are small, on spheres and Gaussian tokens, under our reconstruction of the conditions; the "
        "sample complexity theorems are not checked with their constants."
    ),
)

ALI_2019 = Source(
    key="ALI_2019",
    title="A Continuous-Time View of Early Stopping for Least Squares Regression",
    authors="Ali, Kolter, Tibshirani",
    year=2019,
    identifier="arXiv:1810.10082",
    claimed=(
        "The risk of gradient flow at time t is at most a constant, about 1.69, times that of ridge regression with "
        "the penalty 1/t."
    ),
    read="known second-hand; statements as recalled",
)

SINGH_2024 = Source(
    key="SINGH_2024",
    title=(
        "What needs to go right for an induction head? A mechanistic study of in-context learning circuits and their "
        "formation"
    ),
    authors="Singh, Moskovitz, Hill, Chan, Saxe",
    year=2024,
    identifier="arXiv:2404.07129",
    claimed=(
        "An induction head needs several subcircuits at once; a product of factors reproduces its abrupt learning, and "
        "clamping factors to their targets removes the plateau step by step."
    ),
    read="public code of the toy model; statements of the text are as recalled",
)

REDDY_2024 = Source(
    key="REDDY_2024",
    number=70,
    title="The mechanistic basis of data dependence and abrupt learning in an in-context classification task",
    authors="Reddy",
    year=2024,
    identifier="arXiv:2312.03002",
    claimed=(
        "An induction head forms abruptly because three nested logits are learned one after the other, and properties "
        "of the data decide between learning in context and learning in weights."
    ),
    read="abstract, reviews and public code; its minimal model is reconstructed here and may differ in detail",
    limits=(
        "The three-logit model is our reconstruction and may differ in detail; the trained networks are small, and no "
        "language model is tested."
    ),
)
