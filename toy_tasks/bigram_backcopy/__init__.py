"""Bigram-Backcopy: a Markov chain over characters in which trigger tokens are followed by a copy of what came before.

`table` the chain's statistics (synthetic, or counted from a text), `task` the process and its exact population
quantities, `variants` its relatives, `measures` what to record of a model trained on it. No training here.
"""

from toy_tasks.bigram_backcopy.measures import BackcopyMeasures, SinkMeasures
from toy_tasks.bigram_backcopy.table import BigramTable
from toy_tasks.bigram_backcopy.task import BigramBackcopy
from toy_tasks.bigram_backcopy.variants import DormantCopy, InterpolatedCopy, MarkovChain

__all__ = [
    "BackcopyMeasures",
    "BigramBackcopy",
    "BigramTable",
    "DormantCopy",
    "InterpolatedCopy",
    "MarkovChain",
    "SinkMeasures",
]
