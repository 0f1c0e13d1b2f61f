"""Loss plateaus of products: why a circuit of several factors is learned abruptly, and what clamping a factor does.

`scalar` the product of n scalars: invariants, escape time (a Carlson integral), time to any level; `closed_forms` the
same without quadrature where that is possible; `heads` several products that share one target; `outer` the outer
product of three vectors, whose loss needs nine scalars. Toys of Singh et al. 2024; all exact forms derived here.
Nothing here trains networks.
"""

from theory.product_flow.closed_forms import balanced_clock, two_factor_clock
from theory.product_flow.heads import AdditiveHeads
from theory.product_flow.outer import OuterProduct
from theory.product_flow.scalar import ProductFlow, clamped, escape_time

__all__ = [
    "AdditiveHeads",
    "OuterProduct",
    "ProductFlow",
    "balanced_clock",
    "clamped",
    "escape_time",
    "two_factor_clock",
]
