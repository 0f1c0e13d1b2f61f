"""Pooling and selection: objects, summaries, codebooks, gates, metrics and what pooling cannot bind."""
