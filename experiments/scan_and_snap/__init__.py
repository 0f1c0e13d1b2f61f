"""Scan and Snap, and JoMA: four dynamics of one layer, training on sequence classes, attention with an MLP."""
