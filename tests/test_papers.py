"""The seventy papers: each is cited in full, has a claim that runs, and no wording passes for a reproduction."""

from __future__ import annotations

import re

import pytest

from theory.claims import Claim, all_claims, hunt
from theory.papers import SOURCES, Paper, Source, all_papers, verdict

PAPERS = all_papers()
NUMBERED = [paper.source for paper in PAPERS]

# Our checks are of mechanisms at toy scale. None of these words can be true of them, in a statement or about limits.
SUGGESTIVE = (
    r"\b(?:we|is|are|was|were|been|be|here|fully|numerically)\s+reproduced?\b",
    r"\breproduc\w*\s+(?:of\s+)?(?:(?:the|their|its|all|a|both)\s+)?"
    r"(?:papers?|published|reported|benchmarks?|main|tables?|figures?|experiments?|accurac\w+|scores?)\b",
    r"\breplicat(?:e|es|ed|ion)\s+(?:of\s+)?(?:the|their)\b",
    r"\bstate[\s-]of[\s-]the[\s-]art\b",
    r"\boutperform\w*",
    r"\bSOTA\b",
    r"\b(?:confirms?|verif(?:y|ies)|validates?|matches)\s+the\s+(?:paper|benchmark)\b",
    r"\b(?:on|of)\s+(?:ImageNet|COCO|CIFAR|WikiText|GLUE|LongBench|LRA)\b",
    r"\bas\s+in\s+(?:GPT|Llama|LLaMA)-?\d",
)


def suggestive(text: str) -> list[str]:
    """What in a text suggests that a benchmark or a large model's result was reproduced."""
    return [found[0] for pattern in SUGGESTIVE for found in re.finditer(pattern, text, re.IGNORECASE)]


def test_seventy_rows_in_order_under_unique_names() -> None:
    assert [paper.number for paper in PAPERS] == list(range(1, 71))
    for part in ("key", "title", "identifier", "limits", "claimed"):
        values = [getattr(source, part) for source in NUMBERED]
        assert len(set(values)) == 70, part
    assert len({source.key for source in SOURCES}) == len(SOURCES)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.key)
def test_a_source_is_cited_in_full(source: Source) -> None:
    assert re.fullmatch(r"arXiv:\d{4}\.\d{5}|arXiv:\d{4}\.\d{4}|doi:10\.\d+/\S+", source.identifier)
    if source.identifier.startswith("arXiv:"):  # which numbers its papers by year and month
        year, month = 2000 + int(source.identifier[6:8]), int(source.identifier[8:10])
        assert 1 <= month <= 12
        assert year <= source.year + 1  # submitted in December, or listed under the year of the conference
        assert source.year <= year + 1
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*_\d{4}(_[A-Z]+)?", source.key)
    assert f"_{source.year}" in source.key
    assert source.read
    for text in (source.claimed, source.limits) if source.number else (source.claimed,):
        assert text.endswith("."), text
        assert text[0].isupper(), text
        assert len(text) < 320, "one or two sentences"
        assert "  " not in text


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: f"{paper.number}-{paper.key}")
def test_every_row_has_a_claim_that_runs_and_stands(paper: Paper) -> None:
    standing = [claim for claim in paper.claims if claim.kind != "refuted"]
    assert standing, f"nothing but refuted readings is registered for row {paper.number}, {paper.title}"
    assert paper.verdict in ("holds", "holds, with a refuted reading")
    hunted = [claim for claim in standing if claim.is_hunted]
    assert hunted, "a row rests on statements that a hunt can contradict, not on a verdict of one training run alone"
    cheapest = min(hunted, key=lambda claim: claim.examples or 1_000)
    worst = hunt(cheapest, 5, cap=True)
    assert worst.holds, f"{cheapest.name}: {worst.violation} at {worst.instances}"
    assert worst.examples >= 1


def test_every_claim_names_sources_that_are_listed() -> None:
    for claim in all_claims():
        assert set(claim.sources) <= set(SOURCES), claim.name
        assert len(set(claim.sources)) == len(claim.sources), f"{claim.name} cites a source twice"


def test_the_verdict_of_a_paper_is_that_of_its_claims() -> None:
    assert verdict([]) == "unchecked"
    assert verdict(["identity", "trend"]) == "holds"
    assert verdict(["refuted", "limit"]) == "holds, with a refuted reading"
    assert verdict(["refuted"]) == "refuted"
    by_key = {paper.key: paper for paper in PAPERS}
    sink = by_key["GUO_2024"]
    assert (sink.number, sink.verdict, sink.limits) == (36, "holds, with a refuted reading", sink.source.limits)
    assert sink.title.startswith("Active-Dormant Attention Heads")
    assert "sink_flow.value_gradient_sums_to_zero" in [claim.name for claim in sink.claims]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.key)
def test_what_is_said_of_a_source_suggests_no_reproduction(source: Source) -> None:
    assert suggestive(source.claimed) + suggestive(source.limits) == []


@pytest.mark.parametrize("claim", all_claims(), ids=lambda claim: claim.name)
def test_no_statement_suggests_a_reproduction(claim: Claim) -> None:
    assert suggestive(claim.statement) == []


@pytest.mark.parametrize(
    "planted",
    [
        "We reproduce Table 2.",
        "This reproduces the paper's accuracy.",
        "The published result is reproduced at full size.",
        "Reproduction of the benchmark scores.",
        "Replicates their numbers.",
        "It is state-of-the-art.",
        "A new state of the art in segmentation.",
        "The gated map outperforms softmax.",
        "This confirms the paper.",
        "The error is lower on ImageNet.",
        "The same heads as in GPT-2.",
    ],
)
def test_the_list_of_suggestive_words_catches(planted: str) -> None:
    assert suggestive(planted)


@pytest.mark.parametrize(
    "honest",
    [
        "Exact only for linear attention; no language model is tested.",
        "A product of factors reproduces its abrupt learning.",
        "The recurrence reproduces the dense result and matches the published form of the mask.",
        "Accuracy, speed and universality are not tested.",
    ],
)
def test_the_list_of_suggestive_words_lets_pass(honest: str) -> None:
    assert suggestive(honest) == []
