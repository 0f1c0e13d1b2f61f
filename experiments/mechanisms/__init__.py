"""Mechanisms of attention: closed forms, bounds and costs, drawn beside what was measured."""
