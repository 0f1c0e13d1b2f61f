"""Speed as ratios: the package's way against a plain reference, on one machine, in one run.

What needs torch and numpy only runs on a bare GPU machine too. Absolute times depend on the machine; the ratios are
what may be quoted, with the machine. One module per topic; `timing` is what they share.
"""

from __future__ import annotations

import importlib
import platform
from collections.abc import Callable

from experiments.lab.bench.timing import Say

# benchmark -> its module, which is imported when it runs
ON_CPU = {
    "generator": "bigram_backcopy",
    "tiny_replicas": "replicas",
    "token_counts": "scan_and_snap",
    "token_selection": "token_selection",
    "attention_svm": "attention_svm",
    "random_heads": "random_features",
    "gram_blocks": "random_features",
    "in_context_sequences": "in_context",
    "in_context_step": "in_context",
}
ON_GPU = {"gpu_replicas": "replicas", "gpu_agreement": "replicas", "in_context_replicas": "in_context"}


def run_benchmarks(device: str, only: str | None, say: Say) -> None:
    """Run all benchmarks of a device, or one by name; says the machine first."""
    import torch

    available = ON_CPU if device == "cpu" else ON_GPU
    if only is not None and only not in available:
        raise ValueError(f"only must be one of {', '.join(available)} on {device}, got {only!r}")
    if device != "cpu" and not torch.cuda.is_available():
        raise ValueError(f"device must be available, got {device!r} on a machine without CUDA")
    card = (
        torch.cuda.get_device_name() if device != "cpu" else f"{platform.machine()}, {torch.get_num_threads()} threads"
    )
    say(f"{card}, torch {torch.__version__}, float32 products in {torch.get_float32_matmul_precision()!r} precision")
    for name, module in available.items():
        if only in (None, name):
            benchmark: Callable[[str, Say], None] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            say(f"{name}: {(benchmark.__doc__ or '').strip()}")
            benchmark(device, say)
