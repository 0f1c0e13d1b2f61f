"""How to draw the instance types of `theory.mechanisms.credit`."""
