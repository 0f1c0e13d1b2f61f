"""Linear attention, state-space models and test-time memory."""
