"""Credit, flow and search: the papers, from their abstracts."""

from theory.papers.source import Source

MERULLO_2023 = Source(
    key="MERULLO_2023",
    title="Circuit Component Reuse Across Tasks in Transformer Language Models",
    authors="Merullo, Eickhoff, Pavlick",
    year=2023,
    identifier="arXiv:2310.08744",
    number=11,
    claimed="Circuits found for one task are largely reused (about 78 percent of heads) for another.",
    read="abstract",
    limits="Ablation-damage overlap (unstable: -0.38..0.89); any LLM, the 78 percent.",
)

HE_2024 = Source(
    key="HE_2024",
    title="Cracking the Code of Hallucination in LVLMs with Vision-aware Head Divergence",
    authors="He, et al.",
    year=2024,
    identifier="arXiv:2412.13949",
    number=12,
    claimed=(
        "A divergence of head outputs with and without visual context finds the heads that use it; strengthening them "
        "reduces hallucination."
    ),
    read="abstract",
    limits="Images, real hallucination.",
)

PATHANIA_2024 = Source(
    key="PATHANIA_2024",
    title="Enhancing Conditional Image Generation with Explainable Latent Space Manipulation",
    authors="Pathania",
    year=2024,
    identifier="arXiv:2408.16232",
    number=13,
    claimed="Gradient-selected attention masks keep the subject while refining background in diffusion.",
    read="abstract",
    limits="Image quality, FID.",
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
    claimed="Relevance propagation plus saliency shows which image areas a CNN uses.",
    read="abstract",
    limits="Human-like saliency.",
)

REBUFFI_2020 = Source(
    key="REBUFFI_2020",
    title="There and Back Again: Revisiting Backpropagation Saliency Methods",
    authors="Rebuffi, Fong, Ji, Vedaldi",
    year=2020,
    identifier="arXiv:2004.02866",
    number=35,
    claimed="Back-propagation saliency methods share one form: norm of per-location weight gradients.",
    read="abstract",
    limits="",
)

WEI_2024 = Source(
    key="WEI_2024",
    title="DreamVideo-2: Zero-Shot Subject-Driven Video Customization with Precise Motion Control",
    authors="Wei, et al.",
    year=2024,
    identifier="arXiv:2410.13830",
    number=46,
    claimed="Reference attention and masked motion control customise video.",
    read="abstract",
    limits="Video.",
)

GUPTA_2021 = Source(
    key="GUPTA_2021",
    title="Visual Search Asymmetry: Deep Nets and Humans Share Similar Inherent Biases",
    authors="Gupta, Zhang, Wu, Wolfe, Kreiman",
    year=2021,
    identifier="arXiv:2106.02953",
    number=53,
    claimed="A vision model shows the human asymmetry in visual search, depending on training statistics.",
    read="abstract",
    limits="Humans, deep nets, eccentricity.",
)

LIN_2024 = Source(
    key="LIN_2024",
    title="Training-Free Open-Ended Object Detection and Segmentation via Attention as Prompts",
    authors="Lin, et al.",
    year=2024,
    identifier="arXiv:2410.05963",
    number=63,
    claimed="Attention maps of a language-vision model can prompt a segmenter without training.",
    read="abstract",
    limits="SAM, detection.",
)
