"""Attention sinks: the reduced sink flow, and transformers trained on Bigram-Backcopy."""
