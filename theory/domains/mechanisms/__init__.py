"""How to draw the instance types of mechanisms: one module per family."""

from theory.domains.mechanisms import credit, dynamics, instances, linear, normalisation, pooling, sparse, structure

__all__ = ["credit", "dynamics", "instances", "linear", "normalisation", "pooling", "sparse", "structure"]
