"""Random-feature attention: which targets one layer learns from how many samples, against an MLP's random features."""
