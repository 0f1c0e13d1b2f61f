"""Regression with random-feature attention: a query and N keys without order, and a target averaged over the keys.

`tokens` the laws of query and keys; `targets`, `correlation` what is to be learned, with exact means and variances made
from `moments`; `truth` what a replica's batches share; `task` samples; `features` layers of random heads or units of
which only the values are trained; `regression` ridge on them.
"""

from toy_tasks.random_feature_attention.correlation import Correlation, average
from toy_tasks.random_feature_attention.features import AttentionHeads, MLPUnits
from toy_tasks.random_feature_attention.regression import NormalEquations, ridge_predictions
from toy_tasks.random_feature_attention.targets import AbsoluteCorrelation, Largest, Pairs, QueryPower
from toy_tasks.random_feature_attention.task import AttentionRegression
from toy_tasks.random_feature_attention.tokens import CorrelatedKeys, GaussianTokens, SphereTokens
from toy_tasks.random_feature_attention.truth import Truth

__all__ = [
    "AbsoluteCorrelation",
    "AttentionHeads",
    "AttentionRegression",
    "CorrelatedKeys",
    "Correlation",
    "GaussianTokens",
    "Largest",
    "MLPUnits",
    "NormalEquations",
    "Pairs",
    "QueryPower",
    "SphereTokens",
    "Truth",
    "average",
    "ridge_predictions",
]
