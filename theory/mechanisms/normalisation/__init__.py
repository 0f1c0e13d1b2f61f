"""Normalisation, entropy, temperature, perturbation and the budget of a softmax."""
