"""Heads, pointers, channels, positions and modulation."""
