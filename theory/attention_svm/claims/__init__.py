"""Statements about every attention SVM, each a function that measures by how much an instance violates it.

`instances` what they speak of; `optimality`, `invariances` and `nuclear` the programs; `loss`, `path` and `factors` the
loss that leads there; `several_tokens` selections that keep more than one. Nothing here solves anything.
"""
