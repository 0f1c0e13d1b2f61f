"""Attention as a support vector machine: trained weights against the solutions of convex programs."""
