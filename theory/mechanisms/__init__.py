"""One exact check for every paper that has no topic of its own: mechanisms and the statements about them.

A folder per family; in it one small module per mechanism with a readable dense reference, its fast or structured form
where there is one, the instance types and the claims. `theory.domains.mechanisms` draws the instances. Softmax, entropy
and masks come from `theory.attention` and `theory.masks`; inputs that several mechanisms share are in `instances`.
"""
