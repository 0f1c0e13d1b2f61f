"""Misuse is refused at once: every message names the argument and what came, and a command line error is one line."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments import registry
from experiments.lab import claims_table
from experiments.lab.bench import run_benchmarks
from experiments.lab.cli import main
from experiments.lab.experiment import profile, require, seed_range
from experiments.lab.store import RESULTS_VARIABLE
from experiments.lab.sweep import Sweep
from theory.claims import Claim, claim, hunt
from theory.papers import GUO_2024
from theory.sink_flow import (
    ConstantValue,
    EqualLogits,
    FlowStart,
    PushedValue,
    SinkModel,
    SinkPoint,
    drain_rate,
    drained_value,
    first_integrals,
    joint_limit,
    loss_bound,
    monotone_quantity,
    pushed_logit_asymptote,
    sink_logit_asymptote,
    sink_logit_bounds,
)
from toy_tasks.bigram_backcopy import BigramBackcopy, BigramTable
from toy_tasks.randomness import Key
from toy_tasks.simulator import SGD, Adam, AdamW, Transformer, simulate
from toy_tasks.task import Batch, NoData

NAN, INF = float("nan"), float("inf")
ROWS = [[0.5, 0.5], [0.2, 0.8]]
ALPHA: Any = [0.0, 0.0]
BETA: Any = [1.0, -1.0]
HALVES = [[0.5, 0.5], [0.5, 0.5]]


def sink(
    next_token: Any = ROWS, frequency: Any = (1.0, 1.0), value_sum: Any = (1.0, 3.0), weight: Any = 2
) -> SinkModel:
    return SinkModel(next_token, frequency, value_sum, weight)


MODEL, CONSTANT, NO_SUPPORT = sink(), sink(value_sum=[4.0, 4.0]), sink([[1.0, 0.0], [0.2, 0.8]])


def a_claim(**changes: Any) -> Callable[[Callable[..., float]], Claim]:
    settings: dict[str, Any] = {"statement": "", "source": GUO_2024, "kind": "identity", "tolerance": 0.0}
    return claim(**settings | changes)


def unregistered(violation: Callable[..., float]) -> Claim:
    return Claim("test.claim", "", GUO_2024, "identity", "derived", violation, 0.0)


class Undrawn:
    """An instance type that no domain draws."""


def on_undrawn(instance: Undrawn) -> float:
    return 0.0


def unannotated(point) -> float:  # type: ignore[no-untyped-def]
    return 0.0


class Tiny:
    """Two parameters and a quadratic loss."""

    def init(self, key: Key) -> dict[str, torch.Tensor]:
        return {"w": key.normal(2)}

    def loss(self, params: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        return (params["w"] ** 2).sum()


def train(optimizer: Any = None, **changes: Any) -> object:
    settings: dict[str, Any] = {"seeds": [0, 1], "steps": 5}
    return simulate(NoData(), Tiny(), optimizer or SGD(0.1), **settings | changes)


def table(unigram: Any = (0.5, 0.5), transition: Any = HALVES, symbols: Any = ("a", "b")) -> BigramTable:
    return BigramTable(unigram, transition, symbols)


def backcopy(triggers: Any = 1, length: Any = 8) -> BigramBackcopy:
    return BigramBackcopy(BigramTable.synthetic(4), triggers, length)


# (call, exception, pattern): the pattern asks for the argument's name and for the value that was refused
BAD_CALLS: list[tuple[Callable[[], object], type[Exception], str]] = [
    # the reduced sink model
    (lambda: sink([[0.5, 0.4], [0.2, 0.8]]), ValueError, r"next_token .*sum to 1, got .*0\.9"),
    (lambda: sink([[1.5, -0.5], [0.2, 0.8]]), ValueError, r"next_token .*>= 0, got -0\.5"),
    (lambda: sink([[NAN, 0.5], [0.2, 0.8]]), ValueError, r"next_token .*finite, got nan"),
    (lambda: sink([0.5, 0.5]), ValueError, r"next_token .*shape \(any, any\).*got shape \(2,\)"),
    (lambda: sink([ROWS]), ValueError, r"next_token .*shape \(any, any\).*got shape \(1, 2, 2\)"),
    (lambda: sink([[]]), ValueError, r"next_token .*non-empty, got shape \(1, 0\)"),
    (lambda: sink([[1.0], [1.0]], value_sum=[1.0]), ValueError, r"next_token .*V >= 2, got shape \(2, 1\)"),
    (lambda: sink([[0.5, 0.5], [1.0]]), TypeError, r"next_token .*real numbers, got \[\[0\.5, 0\.5\], \[1\.0\]\]"),
    (lambda: sink("often"), TypeError, r"next_token .*real numbers, got 'often'"),
    (lambda: sink(frequency=[1.0]), ValueError, r"frequency .*shape \(2\).*got shape \(1,\)"),
    (lambda: sink(frequency=[[1.0, 1.0]]), ValueError, r"frequency .*shape \(2\).*got shape \(1, 2\)"),
    (lambda: sink(frequency=[0.0, 1.0]), ValueError, r"frequency .*positive, got 0\.0"),
    (lambda: sink(frequency=[-0.5, 1.0]), ValueError, r"frequency .*positive, got -0\.5"),
    (lambda: sink(frequency=["1.0", "2.0"]), TypeError, r"frequency .*real numbers, got \['1\.0', '2\.0'\]"),
    (lambda: sink(value_sum=[1.0, 2.0, 3.0]), ValueError, r"value_sum .*shape \(2\).*got shape \(3,\)"),
    (lambda: sink(value_sum=[1.0, INF]), ValueError, r"value_sum .*finite, got inf"),
    (lambda: sink(value_sum=[1j, 0.0]), TypeError, r"value_sum .*real numbers, got \[1j, 0\.0\]"),
    (lambda: sink(weight=0), ValueError, r"weight .*in \(0, inf\), got 0\.0"),
    (lambda: sink(weight=-2.5), ValueError, r"weight .*in \(0, inf\), got -2\.5"),
    (lambda: sink(weight=INF), ValueError, r"weight .*finite.*, got inf"),
    (lambda: sink(weight="2.0"), TypeError, r"weight .*real number, got '2\.0'"),
    (lambda: sink(weight=True), TypeError, r"weight .*real number, got True"),
    # its flow, and what is known of it
    (lambda: MODEL.flow(ALPHA, BETA, [2.0, 1.0]), ValueError, r"times .*non-decreasing, got array\(\[2\., 1\.\]\)"),
    (lambda: MODEL.flow(ALPHA, BETA, [-1.0, 1.0]), ValueError, r"times .*>= 0 .*got array\(\[-1\., +1\.\]\)"),
    (lambda: MODEL.flow(ALPHA, BETA, []), ValueError, r"times .*non-empty, got shape \(0,\)"),
    (lambda: MODEL.flow(ALPHA, BETA, [0.0, INF]), ValueError, r"times .*finite, got inf"),
    (lambda: MODEL.flow(ALPHA, BETA, [1.0], frozen="aplha"), ValueError, r"frozen .*'alpha' or 'beta', got 'aplha'"),  # type: ignore[arg-type]
    (lambda: MODEL.flow(ALPHA, BETA, [1.0], rtol=NAN), ValueError, r"rtol .*finite.*, got nan"),
    (lambda: MODEL.flow([0.0], BETA, [1.0]), ValueError, r"alpha .*shape \(\.\.\., 2\).*got shape \(1,\)"),
    (lambda: MODEL.flow([ALPHA], BETA, [1.0]), ValueError, r"alpha \(N,\) .*got \(1, 2\)"),
    (lambda: MODEL.flow(ALPHA, [NAN, 1.0], [1.0]), ValueError, r"beta .*finite, got nan"),
    (lambda: MODEL.loss([0.0], BETA), ValueError, r"alpha .*got shape \(1,\)"),
    (lambda: MODEL.gradient(ALPHA, [0.0]), ValueError, r"beta .*got shape \(1,\)"),
    (lambda: sink_logit_bounds(MODEL, ALPHA, [-1.0]), ValueError, r"times .*>= 0 .*got array\(\[-1\.\]\)"),
    (lambda: sink_logit_asymptote(CONSTANT, [1.0]), ValueError, r"value_sum must vary .*variances \[0\. 0\.\]"),
    (lambda: sink_logit_asymptote(MODEL, [2.0, 1.0]), ValueError, r"times .*non-decreasing, got"),
    (lambda: loss_bound(MODEL, ALPHA, [1.0], [1.0]), ValueError, r"beta .*got shape \(1,\)"),
    (lambda: pushed_logit_asymptote(MODEL, [1.0], [1.0]), ValueError, r"beta .*got shape \(1,\)"),
    (lambda: joint_limit(NO_SUPPORT, ALPHA, BETA), ValueError, r"next_token must have full support .*got 0\.0"),
    (lambda: joint_limit(CONSTANT, ALPHA, BETA), ValueError, r"value_sum must not be constant, got \[4\. 4\.\]"),
    (lambda: drained_value(NO_SUPPORT, 0.0, BETA), ValueError, r"next_token must have full support .*got 0\.0"),
    (lambda: drained_value(MODEL, INF, BETA), ValueError, r"alpha .*finite.*, got inf"),
    (lambda: drain_rate(MODEL, "high"), TypeError, r"alpha .*real number, got 'high'"),  # type: ignore[arg-type]
    (lambda: first_integrals(MODEL, [0.0], BETA), ValueError, r"alpha .*got shape \(1,\)"),
    (lambda: monotone_quantity(MODEL, ALPHA, [0.0]), ValueError, r"beta .*got shape \(1,\)"),
    # instance types refuse what breaks their hypothesis
    (lambda: SinkPoint(MODEL, [ALPHA], BETA), ValueError, r"alpha .*shape \(2\).*got shape \(1, 2\)"),  # type: ignore[arg-type]
    (lambda: ConstantValue(MODEL, ALPHA, BETA), ValueError, r"hypothesis .*beta must be constant, .*-1\.0 to 1\.0"),
    (lambda: EqualLogits(MODEL, [0.0, 1.0], BETA), ValueError, r"hypothesis .*logits must be equal, got \[0\. 1\.\]"),  # type: ignore[arg-type]
    (lambda: EqualLogits(NO_SUPPORT, ALPHA, BETA), ValueError, r"hypothesis .*next_token .*full support .*got 0\.0"),
    (lambda: FlowStart(CONSTANT, ALPHA, BETA), ValueError, r"hypothesis .*value_sum .*constant, got \[4\. 4\.\]"),
    (lambda: PushedValue(MODEL, ALPHA, [5.0, 15.0]), ValueError, r"hypothesis .*pull .*negative .*got \[4\.4\d+ 1\.7"),  # type: ignore[arg-type]
    # claims
    (lambda: a_claim(kind="lemma"), ValueError, r"kind must be one of .*trend.*, got 'lemma'"),
    (lambda: a_claim(status="proved"), ValueError, r"status must be one of .*derived.*, got 'proved'"),
    (lambda: a_claim(tolerance=-1e-3), ValueError, r"tolerance .*>= 0, got -0\.001"),
    (lambda: a_claim(tolerance="small"), ValueError, r"tolerance .*>= 0, got 'small'"),
    (lambda: a_claim(kind="refuted"), ValueError, r"counterexample .*got None for 'refuted'"),
    (lambda: a_claim(counterexample=tuple), ValueError, r"counterexample .*got <class 'tuple'> for 'identity'"),
    (lambda: a_claim(examples=0), ValueError, r"examples .*>= 1, got 0"),
    (lambda: hunt(unregistered(on_undrawn), 0), ValueError, r"examples .*>= 1, got 0"),
    (lambda: hunt(unregistered(on_undrawn), True), ValueError, r"examples .*>= 1, got True"),
    (lambda: hunt(unregistered(on_undrawn), 1.5), ValueError, r"examples .*>= 1, got 1\.5"),  # type: ignore[arg-type]
    (lambda: hunt(unregistered(on_undrawn)), LookupError, r"Undrawn: add .*@domain\(Undrawn\) in theory/domains/"),
    (lambda: hunt(unregistered(unannotated)), TypeError, r"test\.claim: annotate parameter 'point'"),
    # tasks
    (lambda: table([0.5, 0.6]), ValueError, r"unigram .*sum to 1, got .*1\.1"),
    (lambda: table([[0.5, 0.5]]), ValueError, r"unigram \(C,\).*got shapes \(1, 2\)"),
    (lambda: table("ab"), TypeError, r"unigram .*probabilities, got 'ab'"),
    (lambda: table(transition=[[0.5, 0.5], [0.5, 0.4]]), ValueError, r"transition .*sum to 1, got .*0\.9"),
    (lambda: table(transition=[[1.5, -0.5], [0.5, 0.5]]), ValueError, r"transition .*>= 0, got -0\.5"),
    (lambda: table(transition=[[NAN, 0.5], [0.5, 0.5]]), ValueError, r"transition .*>= 0, got nan"),
    (lambda: table(transition=[[1.0]]), ValueError, r"transition \(C, C\).*got shapes .*\(1, 1\)"),
    (lambda: table(symbols="abc"), ValueError, r"symbols \(C,\).*got .*3 symbols"),
    (lambda: BigramTable.synthetic(1), ValueError, r"tokens .*>= 2, got 1"),
    (lambda: BigramTable.synthetic(4, -1), ValueError, r"seed .*>= 0, got -1"),
    (lambda: BigramTable.from_counts(Counter("aaa"), Counter()), ValueError, r"2 distinct symbols, got 1"),
    (lambda: backcopy(0), ValueError, r"triggers .*>= 1, got 0"),
    (lambda: backcopy(4), ValueError, r"triggers .*leaving a non-trigger.* got 4"),
    (lambda: backcopy((1, 9)), ValueError, r"triggers .*ids in 0\.\.3.* got \(1, 9\)"),
    (lambda: backcopy(()), ValueError, r"triggers .*at least one.* got \(\)"),
    (lambda: backcopy("ab"), TypeError, r"triggers .*got 'ab'"),
    (lambda: backcopy(length=2), ValueError, r"length .*>= 3, got 2"),
    (lambda: backcopy(length=8.0), TypeError, r"length .*integer >= 3, got 8\.0"),
    (lambda: backcopy().sample(Key.of((0,)), 0), ValueError, r"batch .*>= 1, got 0"),
    (lambda: Key.of((2**31,)), ValueError, r"seeds .*in \[0, 2\^31\), got 2147483648"),
    (lambda: Key.of((0,)).split(255), ValueError, r"number .*in 0\.\.254.*, got 255"),
    # models and optimisers
    (lambda: Transformer(layers=0), ValueError, r"layers .*>= 1, got 0"),
    (lambda: Transformer(width=np.array([8, 16])), TypeError, r"width .*integer.*, got array\(\[ 8, 16\]\)"),  # type: ignore[arg-type]
    (lambda: Transformer(width=8, heads=3), ValueError, r"heads must divide width 8, got 3"),
    (lambda: Transformer(mlp=0), ValueError, r"mlp .*>= 1, got 0"),
    (lambda: Transformer(attention="linear"), ValueError, r"attention must be one of 'softmax', .*got 'linear'"),
    (lambda: Transformer(attention=np.array(["softmax", "a"])), ValueError, r"attention .*got array\(\['softmax', 'a'"),  # type: ignore[arg-type]
    (lambda: Transformer().shapes(), ValueError, r"vocabulary and length must be given"),
    (lambda: SGD(-0.1), ValueError, r"learning_rate .*in \(0, inf\), got -0\.1"),
    (lambda: SGD(0), ValueError, r"learning_rate .*in \(0, inf\), got 0\.0"),
    (lambda: Adam(NAN), ValueError, r"learning_rate .*finite.*, got nan"),
    (lambda: AdamW(INF), ValueError, r"learning_rate .*finite.*, got inf"),
    (lambda: SGD([0.1, -0.2]), ValueError, r"learning_rate .*got -0\.2"),
    (lambda: SGD("0.1"), TypeError, r"learning_rate .*number.*, got '0\.1'"),
    (lambda: SGD(None), TypeError, r"learning_rate .*number.*, got None"),
    (lambda: SGD(True), TypeError, r"learning_rate .*number.*, got True"),
    (lambda: SGD([[0.1]]), TypeError, r"learning_rate .*one-dimensional.*, got \[\[0\.1\]\]"),
    (lambda: SGD(0.1, momentum=1.0), ValueError, r"momentum .*in \[0, 1\), got 1\.0"),
    (lambda: Adam(0.1, beta1=1.0), ValueError, r"beta1 .*in \[0, 1\), got 1\.0"),
    (lambda: AdamW(0.1, beta2=1.5), ValueError, r"beta2 .*in \[0, 1\), got 1\.5"),
    (lambda: Adam(0.1, epsilon=-1e-8), ValueError, r"epsilon .*in \[0, inf\), got -1e-08"),
    (lambda: AdamW(0.1, weight_decay=-0.01), ValueError, r"weight_decay .*in \[0, inf\), got -0\.01"),
    # training
    (lambda: train(seeds=[]), ValueError, r"seeds .*at least one seed, got \[\]"),
    (lambda: train(seeds=[0, -1]), ValueError, r"seeds .*in \[0, 2\^31\), got -1"),
    (lambda: train(seeds=[2**31]), ValueError, r"seeds .*in \[0, 2\^31\), got 2147483648"),
    (lambda: train(seeds=5), TypeError, r"seeds .*sequence.*, got 5"),
    (lambda: train(seeds="0:5"), ValueError, r"seeds .*integers.*, got '0'"),
    (lambda: train(steps=-1), ValueError, r"steps .*>= 0, got -1"),
    (lambda: train(steps=1.5), TypeError, r"steps .*integer.*, got 1\.5"),
    (lambda: train(batch=0), ValueError, r"batch .*>= 1, got 0"),
    (lambda: train(evaluation=0), ValueError, r"evaluation .*>= 1, got 0"),
    (lambda: train(record=[3, 1]), ValueError, r"record .*increasing .*0\.\.5, got \(3, 1\)"),
    (lambda: train(record=[0, 7]), ValueError, r"record .*increasing .*0\.\.5, got \(0, 7\)"),
    (lambda: train(record=1.5), TypeError, r"record .*integer.*, got 1\.5"),
    (lambda: train(record=0), ValueError, r"record .*>= 1, got 0"),
    (lambda: train(chunk=0), ValueError, r"chunk .*>= 1, got 0"),
    (lambda: train(device="gpu"), ValueError, r"device must be 'cpu', 'cuda'.*, got 'gpu'"),
    (lambda: train(device="meta"), ValueError, r"device must be 'cpu', 'cuda'.*, got 'meta'"),
    (lambda: train(device=None), ValueError, r"device must be 'cpu', 'cuda'.*, got None"),
    (lambda: train(device="cuda:77"), ValueError, r"device must be available, got 'cuda:77'"),
    (lambda: train(dtype=torch.float16), ValueError, r"dtype must be one of torch\.float32.*, got torch\.float16"),
    (lambda: train(dtype="float32"), ValueError, r"dtype must be one of torch\.float32.*, got 'float32'"),
    (lambda: train(SGD([0.1, 0.2, 0.3])), ValueError, r"optimizer\.learning_rate .*one value per seed \(2\).*\(3,\)"),
    # experiments
    (lambda: seed_range("5:0"), ValueError, r"seeds must look like .*, got '5:0'"),
    (lambda: seed_range("3:"), ValueError, r"seeds must look like .*, got '3:'"),
    (lambda: seed_range("a,b"), ValueError, r"seeds must look like .*, got 'a,b'"),
    (lambda: seed_range("-1,2"), ValueError, r"seeds must look like .*, got '-1,2'"),
    (lambda: seed_range("0,2147483648"), ValueError, r"seeds must look like .*, got '0,2147483648'"),
    (lambda: seed_range("1,1"), ValueError, r"seeds must look like .*none twice, got '1,1'"),
    (lambda: seed_range(5), ValueError, r"seeds must look like .*, got 5"),  # type: ignore[arg-type]
    (lambda: require(Sweep(3), workers=4), ValueError, r"workers must be at least 4, got 3"),
    (lambda: Sweep(-1), ValueError, r"workers .*>= 0, got -1"),
    (lambda: Sweep(True), ValueError, r"workers .*>= 0, got True"),
    (lambda: Sweep(1, "localhost"), ValueError, r"scheduler .*tcp://host:8786, got 'localhost'"),
    (lambda: Sweep(1, "tcp://localhost"), ValueError, r"scheduler .*tcp://host:8786, got 'tcp://localhost'"),
    (lambda: registry.load("sink_flo"), ValueError, r"experiment must be one of .*sink_flow.*, got 'sink_flo'"),
    (lambda: registry.headline("sink_flo"), ValueError, r"experiment must be one of .*sink_flow.*, got 'sink_flo'"),
    (lambda: profile(registry.load("sink_flow"), "tiny"), ValueError, r"profile must be one of quick.*, got 'tiny'"),
    (lambda: claims_table.chosen_claims("no_such_claim"), ValueError, r"check must match .*, got 'no_such_claim'"),
    (lambda: run_benchmarks("cpu", "speed", print), ValueError, r"only must be one of generator.*, got 'speed'"),
]


@pytest.mark.parametrize(("call", "exception", "pattern"), BAD_CALLS, ids=[pattern for *_, pattern in BAD_CALLS])
def test_a_bad_call_names_the_argument_and_the_value(
    call: Callable[[], object], exception: type[Exception], pattern: str
) -> None:
    with pytest.raises(exception) as caught:
        call()
    assert type(caught.value) is exception
    assert re.search(pattern, str(caught.value)), caught.value


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
@pytest.mark.parametrize("call", [lambda: train(device="cuda"), lambda: run_benchmarks("cuda", None, print)])
def test_cuda_is_refused_where_there_is_none(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"device must be available, got 'cuda'"):
        call()


# ------------------------------------------------------------------------------------------------- the command line

# arguments -> what the line on standard error says
BAD_COMMANDS = {
    "": r"arguments are required: .*run",
    "frobnicate": r"invalid choice: 'frobnicate' \(choose from .*claims",
    "list everything": r"unrecognized arguments: everything",
    "run": r"name the experiments to run, or give --all",
    "run --all sink_flow": r"name the experiments to run, or give --all",
    "run sink_flo": r"experiment must be one of .*sink_flow.*, got 'sink_flo'",
    "run sink_flow --profile tiny": r"profile must be one of quick, full, got 'tiny'",
    "run sink_flow --workers two": r"--workers: invalid int value: 'two'",
    "run sink_flow --workers -1": r"workers must be an integer >= 0, got -1",
    "run sink_flow --scheduler localhost": r"scheduler must be an address such as tcp://host:8786, got 'localhost'",
    "run sink_flow --seeds 5:0": r"seeds must look like 0:5 .*got '5:0'",
    "run bigram_backcopy --seeds x": r"seeds must look like 0:5 .*got 'x'",
    "run bigram_backcopy --device gpu --workers 1": r"device must be 'cpu', 'cuda' .*got 'gpu'",
    "run sink_flow --device cpu": r"device is no setting of sink_flow",
    "run sink_flow --output a_file": r"--output: must be a folder, got 'a_file'",
    "run sink_flow --results a_file/below": r"--results: must be a folder, got 'a_file/below'",
    "claims --check no_such_claim": r"check must match the name of a claim, got 'no_such_claim'",
    "claims --check value_gradient --examples 0 --workers 1": r"examples must be an integer >= 1, got 0",
    "claims --check value_gradient --examples many": r"--examples: invalid int value: 'many'",
    "claims --check value_gradient --scheduler tcp://a:1": r"unrecognized arguments: --scheduler tcp://a:1",
    "report --output nowhere": r"folder must be an existing folder, got 'nowhere'",
    "bench --only speed": r"only must be one of generator, .*got 'speed'",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which holds one file and must stay as it is."""
    (tmp_path / "a_file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(RESULTS_VARIABLE, "results")
    return tmp_path


def assert_one_line(output: str, error: str, pattern: str, folder: Path) -> None:
    assert re.search(pattern, error), error
    assert error.startswith("experiments: ")
    assert error.endswith("\n")
    assert error.count("\n") == 1
    assert output == ""
    assert [path.name for path in folder.rglob("*")] == ["a_file"]


@pytest.mark.parametrize(("command", "pattern"), BAD_COMMANDS.items())
def test_a_bad_command_line_exits_2_with_one_line(
    command: str, pattern: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(command.split())
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert_one_line(captured.out, captured.err, pattern, folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ("--tokens zero", r"Error parsing --tokens: .*int\(\).*'zero'"),
        ("--tokens 1", r"tokens must be at least 2, got 1"),
    ],
)
def test_a_module_by_itself_exits_2_with_one_line(arguments: str, pattern: str, folder: Path) -> None:
    command = [sys.executable, "-m", "experiments.attention_sinks.sink_flow", *arguments.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert_one_line(done.stdout, done.stderr, pattern, folder)
