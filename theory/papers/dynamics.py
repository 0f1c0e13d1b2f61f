"""Training dynamics: the papers, from their abstracts."""

from theory.papers.source import Source

HUANG_2023 = Source(
    key="HUANG_2023",
    title="Understanding Self-attention Mechanism via Dynamical System Perspective",
    authors="Huang, Liang, Qin, Zhong, Lin",
    year=2023,
    identifier="arXiv:2308.09939",
    number=2,
    claimed="Attention inside a residual net plays the role of a step-size controller that reacts to stiffness.",
    read="abstract",
    limits="",
)

MORAVVEJ_2023 = Source(
    key="MORAVVEJ_2023",
    title=(
        "A Novel Plagiarism Detection Approach Combining BERT-based Word Embedding, Attention-based LSTMs and an "
        "Improved Differential Evolution Algorithm"
    ),
    authors="Moravvej, et al.",
    year=2023,
    identifier="arXiv:2305.02374",
    number=3,
    claimed="A BERT+attention-LSTM with evolutionary pre-training beats other plagiarism detectors.",
    read="abstract",
    limits="DE being special: best-of-N random start does as well (1.00/0.97/0.93); no text, no LSTM.",
)

ROSENFELD_2023 = Source(
    key="ROSENFELD_2023",
    title="Outliers with Opposing Signals Have an Outsized Effect on Neural Network Optimization",
    authors="Rosenfeld, Risteski",
    year=2023,
    identifier="arXiv:2311.04163",
    number=55,
    claimed=(
        "Pairs of opposed large features force a narrow valley, progressive sharpening and loss spikes; shown on a "
        "two-layer linear net."
    ),
    read="abstract",
    limits="",
)
