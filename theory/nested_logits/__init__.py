"""Three nested logits: why an induction head appears abruptly (after Reddy 2024; reconstructed and derived here).

`model` the loss of read-out, induction and previous-token strength, its gradient flow and first integral; `escape` the
slow phase and the length of the plateau in closed form; `equal_labels` the case without a drift, where every label is
in the context; `in_weights` the competition with memorised classes.
Nothing here samples sequences or trains networks.
"""

from theory.nested_logits.equal_labels import equal_labels_integral, saddle_rate
from theory.nested_logits.escape import half_loss_time, plateau_length, readout_time, slow_phase
from theory.nested_logits.in_weights import InWeights, critical_classes, memorised_logit, with_in_weights
from theory.nested_logits.model import NestedLogits, first_integral

__all__ = [
    "InWeights",
    "NestedLogits",
    "critical_classes",
    "equal_labels_integral",
    "first_integral",
    "half_loss_time",
    "memorised_logit",
    "plateau_length",
    "readout_time",
    "saddle_rate",
    "slow_phase",
    "with_in_weights",
]
