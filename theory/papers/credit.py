"""Credit, flow and search: the papers, from their abstracts."""

from theory.papers.source import Source

MERULLO_2023 = Source(
    key="MERULLO_2023",
    title="Circuit Component Reuse Across Tasks in Transformer Language Models",
    authors="Merullo, Eickhoff, Pavlick",
    year=2023,
    identifier="arXiv:2310.08744",
    number=11,
    claimed=(
        "Circuits found for one task are to a large part used again for another, by the same heads doing the same work."
    ),
    read="abstract",
    limits=(
        "Heads are shared by attention on the target in a small trained layer, and interactions of ablated heads are "
        "formulas; circuits of language models and the published share of reused heads are not tested."
    ),
)

HE_2024 = Source(
    key="HE_2024",
    title="Cracking the Code of Hallucination in LVLMs with Vision-aware Head Divergence",
    authors="He, Zhu, Guo, Fang, Hua, Jia, Tang, Chua, Wang",
    year=2024,
    identifier="arXiv:2412.13949",
    number=12,
    claimed=(
        "The change of a head's output when the image is removed shows which heads use it; strengthening these heads "
        "reduces hallucination."
    ),
    read="abstract",
    limits=(
        "The identity says when scaling a head lowers unsupported mass, given the logits; images, real hallucinations "
        "and the choice of heads in a large model are not tested."
    ),
)

PATHANIA_2024 = Source(
    key="PATHANIA_2024",
    title="Enhancing Conditional Image Generation with Explainable Latent Space Manipulation",
    authors="Pathania",
    year=2024,
    identifier="arXiv:2408.16232",
    number=13,
    claimed=(
        "Masks from the gradient score of cross-attention keep the subject of a generated image while the background "
        "is replaced."
    ),
    read="abstract",
    limits=(
        "The gradient score and the edit are those of one attention layer; image quality, diffusion steps and "
        "fidelity to a reference are not tested."
    ),
)

LI_2017 = Source(
    key="LI_2017",
    title=(
        "Beyond saliency: understanding convolutional neural networks from saliency prediction on layer-wise "
        "relevance propagation"
    ),
    authors="Li, Tian, Mueller, Chen",
    year=2017,
    identifier="arXiv:1712.08268",
    number=29,
    claimed=(
        "Relevance propagated back through a network, combined with saliency, shows which areas of an image it "
        "attends to."
    ),
    read="abstract",
    limits=(
        "Conservation is an identity of bias-free networks and of attention with given weights; whether the maps "
        "agree with human saliency is not tested."
    ),
)

REBUFFI_2020 = Source(
    key="REBUFFI_2020",
    title="There and Back Again: Revisiting Backpropagation Saliency Methods",
    authors="Rebuffi, Fong, Ji, Vedaldi",
    year=2020,
    identifier="arXiv:2004.02866",
    number=35,
    claimed=(
        "Saliency methods based on back-propagation share one form, and the norm of the gradient of the weights at "
        "each location is a natural member."
    ),
    read="abstract",
    limits=(
        "The identities are those of linear, convolutional and value maps; which of the methods explains an image "
        "best is not tested."
    ),
)

WEI_2024 = Source(
    key="WEI_2024",
    title="DreamVideo-2: Zero-Shot Subject-Driven Video Customization with Precise Motion Control",
    authors="Wei, Zhang, Yuan, Wang, Qiu, Zhao, Feng, Liu, Huang, Ye, Zhang, Shan",
    year=2024,
    identifier="arXiv:2410.13830",
    number=46,
    claimed=(
        "Masked attention to a reference image and a loss weighed by boxes let a video follow a given subject and a "
        "given path."
    ),
    read="abstract",
    limits=(
        "Isolation and the optimum of the weighed loss are for masks and for one parameter; video, motion paths and "
        "subject fidelity are not tested."
    ),
)

GUPTA_2021 = Source(
    key="GUPTA_2021",
    title="Visual Search Asymmetry: Deep Nets and Humans Share Similar Inherent Biases",
    authors="Gupta, Zhang, Wu, Wolfe, Kreiman",
    year=2021,
    identifier="arXiv:2106.02953",
    number=53,
    claimed=(
        "A search model in the image of the visual cortex shows the asymmetries that people show, with a sign that "
        "training statistics decide."
    ),
    read="abstract",
    limits=(
        "The polarity is that of our model with centred embeddings; human search, eccentricity and deep visual "
        "features are not tested."
    ),
)

LIN_2024 = Source(
    key="LIN_2024",
    title="Training-Free Open-Ended Object Detection and Segmentation via Attention as Prompts",
    authors="Lin, Wang, Tang",
    year=2024,
    identifier="arXiv:2410.05963",
    number=63,
    claimed=(
        "Attention of a vision-language model, aggregated over heads and layers with a regularised flow, can prompt a "
        "segmenter without training."
    ),
    read="abstract",
    limits=(
        "Flow through given attention maps and a regulariser of our own are checked; prompts for a segmenter and "
        "detection on images are not tested."
    ),
)
