"""The one softmax, the one entropy and the one mask builder."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from theory import masks
from theory.attention import attend, entropy, softmax

THEORY = Path(__file__).resolve().parent.parent / "theory"


def test_softmax_and_entropy_against_their_definitions() -> None:
    logits = np.array([[0.0, 1.0, -2.0], [3.0, 3.0, 3.0]])
    plain = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert softmax(logits) == pytest.approx(plain, abs=1e-15)
    assert entropy(plain) == pytest.approx(-(plain * np.log(plain)).sum(axis=1), abs=1e-15)
    assert entropy([1.0, 0.0]) == 0.0


def test_masked_keys_get_exactly_nothing() -> None:
    weights = softmax(np.zeros((3, 3)), masks.causal(3))
    assert weights == pytest.approx(np.array([[1, 0, 0], [1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]]))
    assert (weights[~masks.causal(3)] == 0).all()
    with pytest.raises(ValueError, match="mask must leave every query a key, got none for"):
        softmax(np.zeros((2, 2)), np.array([[True, False], [False, False]]))


def test_attend_weighs_values() -> None:
    q, k, v = np.ones((1, 2)), np.array([[1.0, 0.0], [0.0, 3.0]]), np.array([[1.0], [0.0]])
    assert attend(q, k, v) == pytest.approx(np.array([[1 / (1 + np.e**2)]]))


def test_masks() -> None:
    assert masks.window(5, 3).sum(axis=1).tolist() == [2, 3, 3, 3, 2]
    assert np.flatnonzero(masks.window(9, 3, dilation=2)[4]).tolist() == [2, 4, 6]
    assert masks.blocks(6, 3, shift=1)[0].tolist() == [True, *5 * [False]]
    assert masks.with_sinks(masks.blocks(4, 2), 1)[3].tolist() == [True, False, True, True]


def test_hops_counts_layers() -> None:
    assert masks.hops([masks.window(9, 3)]) == 8
    assert masks.hops([masks.blocks(8, 4)]) is None
    assert masks.hops([masks.causal(5)], wanted=masks.causal(5)) == 1


def test_there_is_one_softmax_and_one_mask_builder() -> None:
    """numpy code of theory takes them from `theory.attention` and `theory.masks` (the solver in torch has torch's)."""
    found = []
    for path in sorted(THEORY.rglob("*.py")):
        name = path.relative_to(THEORY).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.ImportFrom(module="scipy.special", names=names) if name != "attention.py":
                    found += [f"{name}: {n.name}" for n in names if n.name in ("softmax", "log_softmax", "entr")]
                case ast.FunctionDef(name=("softmax" | "entropy") as defined) if name != "attention.py":
                    found.append(f"{name}: def {defined}")
                case ast.Attribute(value=ast.Name(id="np"), attr="tri") if name != "masks.py":
                    found.append(f"{name}: np.tri")
    assert not found, found
