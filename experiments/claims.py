"""Importing this registers the claims that experiments decide; `theory.claims` finds it as an entry point."""

from experiments import registry

for _name in registry.experiment_modules():
    registry.load(_name)
