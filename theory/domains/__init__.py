"""How to draw every instance type: one hypothesis strategy each, so that one generic hunt serves all claims.

A new instance type needs one function in the module of its topic, decorated with `@domain(TheType)`, that returns a
strategy. Strategies draw raw numbers within the hypotheses; the instance types themselves refuse anything outside them.
Rooms above `theory` register their own types with the same decorator. `registry` holds what all topics share.
"""

from theory.domains import (
    attention,
    attention_svm,
    joma,
    mechanisms,
    nested_logits,
    product_flow,
    random_features,
    scan_and_snap,
    sinks,
)
from theory.domains.registry import arrays, domain, floats, simplex_rows, strategy_for

__all__ = [
    "arrays",
    "attention",
    "attention_svm",
    "domain",
    "floats",
    "joma",
    "mechanisms",
    "nested_logits",
    "product_flow",
    "random_features",
    "scan_and_snap",
    "simplex_rows",
    "sinks",
    "strategy_for",
]
