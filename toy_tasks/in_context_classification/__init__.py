"""In-context classification: label an item by the items and labels before it, or from memory.

`task` the sequences (after Reddy 2024), `quantities` what is known of them exactly; `classifier` the attention-only
network, `minimal` an induction head of a few numbers, `measures` what to record of either. No training here.
"""

from toy_tasks.in_context_classification.classifier import AttentionOnlyClassifier
from toy_tasks.in_context_classification.measures import InContextMeasures, evaluate
from toy_tasks.in_context_classification.minimal import MinimalInductionHead
from toy_tasks.in_context_classification.quantities import (
    bayes_accuracy,
    copy_accuracy,
    ideal_head_accuracy,
    ideal_memory_accuracy,
    occurrence_probabilities,
)
from toy_tasks.in_context_classification.task import InContextClassification

__all__ = [
    "AttentionOnlyClassifier",
    "InContextClassification",
    "InContextMeasures",
    "MinimalInductionHead",
    "bayes_accuracy",
    "copy_accuracy",
    "evaluate",
    "ideal_head_accuracy",
    "ideal_memory_accuracy",
    "occurrence_probabilities",
]
