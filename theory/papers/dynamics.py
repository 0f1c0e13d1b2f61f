"""Training dynamics: the papers, from their abstracts."""

from theory.papers.source import Source

HUANG_2023 = Source(
    key="HUANG_2023",
    title="Understanding Self-attention Mechanism via Dynamical System Perspective",
    authors="Huang, Liang, Qin, Zhong, Lin",
    year=2023,
    identifier="arXiv:2308.09939",
    number=2,
    claimed=(
        "Attention inside a residual network acts like a step-size controller that reacts to the stiffness of the "
        "underlying equation."
    ),
    read="abstract",
    limits=(
        "The statements are about small equations whose rates are known; the stiffness of a trained network, the "
        "published stiffness index and StepNet are not tested."
    ),
)

MORAVVEJ_2023 = Source(
    key="MORAVVEJ_2023",
    title=(
        "A Novel Plagiarism Detection Approach Combining BERT-based Word Embedding, Attention-based LSTMs and an "
        "Improved Differential Evolution Algorithm"
    ),
    authors="Moravvej, Mousavirad, Oliva, Mohammadi",
    year=2023,
    identifier="arXiv:2305.02374",
    number=3,
    claimed=(
        "A focal loss for the rare class, and a start found by differential evolution before gradient training, help "
        "an attention-LSTM to detect plagiarism."
    ),
    read="abstract",
    limits=(
        "Only the focal loss is checked; the start by differential evolution, recurrent networks, text and detection "
        "accuracy are not."
    ),
)

ROSENFELD_2023 = Source(
    key="ROSENFELD_2023",
    title="Outliers with Opposing Signals Have an Outsized Effect on Neural Network Optimization",
    authors="Rosenfeld, Risteski",
    year=2023,
    identifier="arXiv:2311.04163",
    number=55,
    claimed=(
        "Groups of examples with large opposing signals force training into narrow valleys, and explain progressive "
        "sharpening and loss spikes; a two-layer linear network shows it."
    ),
    read="abstract",
    limits=(
        "The model has three parameters and is ours in the spirit of the paper; its constants, image classifiers and "
        "the published groups of examples are not tested."
    ),
)
