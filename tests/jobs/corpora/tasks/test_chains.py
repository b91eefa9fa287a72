"""Generated tasks against a slow interpreter that shares no code with them: real sets, real loops, a real tree."""

import itertools
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jobs.corpora import describe, prepare
from jobs.corpora.examples import examples
from jobs.corpora.generated import make_windows
from jobs.corpora.tasks import TASKS, task_of
from jobs.corpora.tasks.arith import Arith
from jobs.corpora.tasks.chains import Options, Task
from jobs.corpora.tasks.code import Code
from jobs.corpora.tasks.entail import Entail
from jobs.corpora.tasks.logic import Logic
from planners.records.errors import UsageError

FINGERPRINTS = {"tasks": "f577d39d0e51eafc"}


def slow(task: Task, operation: int, state: int, operand: int) -> int:
    """Return the new state, by carrying the operation out."""
    m, y = task.options.values, int(task.operand_numbers()[operand])
    if isinstance(task, Arith):
        return [state + y, state - y, state * y][operation] % m
    if isinstance(task, Code):
        v = state
        if operation == 0:
            while v > y:
                v -= y + 1
        elif operation == 1:
            v = v + y if v < y else v - y
        else:
            for _ in range(y):
                v = (3 * v + 1) % m if v % 2 == 0 else (v + 5) % m
        return v % m
    if isinstance(task, Logic):
        objects = range(m.bit_length() - 1)
        relation = task.generator(1).random((task.options.operands, len(objects), len(objects))) < 0.5
        inside = {b for b in objects if state & 2**b}
        quantifier = [all, any, lambda holds: not any(holds)][operation]
        return sum(2**a for a in objects if quantifier([relation[operand, a, b] for b in inside]))
    assert isinstance(task, Entail)
    return slow_entail(m, operation, state, task.classes()[operand])


def slow_entail(m: int, operation: int, state: int, y: int) -> int:
    """Classes as sets of the leaves and classes below them; the contradiction is the empty set."""
    below = {c: {d for d in range(1, m) if bin(d).startswith(bin(c))} for c in range(1, m)}
    below[0] = set()
    s = below[state]
    if operation == 0:
        return next(c for c, members in below.items() if members == s & below[y]) if s & below[y] else 0
    if operation == 1:
        return max((c for c in range(1, m) if s | below[y] <= below[c]), key=lambda c: c.bit_length())
    if s <= below[y]:
        return 0
    siblings = [c for c in range(2, m) if c // 2 == state // 2 and c != state]
    return siblings[0] if state > 1 and siblings else state


def made(name: str, **options: object) -> Task:
    return TASKS[name](replace(Options(), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("options", [{}, {"values": 8, "operands": 8}, {"values": 32, "rules": 3}])
def test_the_table_is_what_a_slow_interpreter_finds(name: str, options: dict[str, int]) -> None:
    task = made(name, **options)
    m, operands = task.options.values, task.options.operands
    found = [
        [[slow(task, operation, state, operand) for operand in range(operands)] for state in range(m)]
        for operation in range(3)
    ]
    np.testing.assert_array_equal(task.table, found)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(list(TASKS)), values=st.sampled_from([8, 16, 32]), steps=st.integers(1, 4),
    operands=st.integers(1, 8), symbols=st.sampled_from(["shared", "own"]), layout=st.sampled_from(["worked", "asked"]),
    form=st.sampled_from(["hard", "easy"]), rules=st.integers(1, 2), number=st.integers(0, 10**9),
    split=st.sampled_from(["train", "validation"]),
)  # fmt: skip
def test_every_answer_of_a_window_follows_from_its_prompt(
    number: int, split: str, name: str, **options: object
) -> None:
    task = made(name, **options)
    length = len(task.answers.example)
    (window,) = make_windows(task, split, np.array([number]), 3 * length)
    assert (window == make_windows(task, split, np.array([number]), 3 * length)[0]).all()
    assert window[0] == task.marker
    assert window.max() < task.vocab_size
    operand_ids, operation_ids, value_ids = task.symbols
    state_of = {value_ids + int(value): state for state, value in enumerate(task.names)}
    for example in window[1:].reshape(3, length):
        answers = [int(token) for token, is_answer in zip(example, task.answers.example, strict=True) if is_answer]
        asked = [int(token) - operand_ids for token in example if operand_ids <= token < operation_ids]
        operations = [int(token) - operation_ids for token in example if operation_ids <= token < value_ids]
        if task.options.symbols == "own":
            asked = [token for token in asked if token < task.options.operands]
        state = state_of[int(example[0])]
        assert len(asked) == len(operations) == len(answers) == task.options.steps
        for operation, operand, answer in zip(operations, asked, answers, strict=True):
            state = slow(task, operation, state, operand)
            assert state_of[answer] == state


def test_splits_are_disjoint_and_one_prompt_in_thirteen_is_held_out() -> None:
    task = made("logic")
    prompts = np.arange(task.prompts)
    assert task.prompts == 331_776
    held, trained = task.in_split(prompts, "validation"), task.in_split(prompts, "train")
    assert not (held & trained).any()
    assert (held | trained).all()
    assert held.mean() == pytest.approx(1 / 13, rel=0.02)
    for split in ("train", "validation"):
        drawn = task.drawn(split, np.random.default_rng(1), 500)
        assert task.in_split(drawn, split).all()


def test_few_prompts_are_in_both_splits_and_the_manifest_says_so() -> None:
    easy = made("code", form="easy", steps=1)
    assert (easy.prompts, easy.shares_prompts, easy.held_prompts) == (64, True, 64)
    assert prepare("tasks-easy").manifest.shares_prompts
    assert not prepare("tasks").manifest.shares_prompts


@pytest.mark.parametrize("T", [14, 28, 30, 32, 37])
def test_the_floor_equals_an_enumeration_of_all_windows(T: int) -> None:
    task = made("arith", values=8, operands=3)
    held = np.arange(task.prompts)[task.in_split(np.arange(task.prompts), "validation")]
    rows = task.examples(held)
    whole, cut = divmod(T, rows.shape[1])
    prefixes = Counter(map(tuple, rows[:, :cut].tolist())) if cut else Counter()
    shares = [count / len(held) for count in prefixes.values()]
    expected = whole * math.log(len(held)) - sum(share * math.log(share) for share in shares)
    assert task.floor(T) == pytest.approx(expected / T, rel=1e-9)


def test_shared_symbols_conflict_and_own_symbols_are_disjoint() -> None:
    shared = [made(name) for name in TASKS]
    for one, other in itertools.combinations(shared, 2):
        tables = [task.names[task.table][:, np.argsort(task.names)] for task in (one, other)]
        assert 0.04 < (tables[0] == tables[1]).mean() < 0.16
    own = [made(name, symbols="own") for name in TASKS]
    ids = [set(range(task.symbols[1], task.symbols[2] + 16)) for task in own]
    assert not any(one & other for one, other in itertools.combinations(ids, 2))


def test_other_rules_are_another_table_with_another_marker() -> None:
    for name in TASKS:
        one, other = made(name), made(name, rules=2)
        assert one.marker != other.marker
        assert (one.table != other.table).any()


def test_corpora_are_frozen_and_say_which_tokens_are_answers() -> None:
    assert {name: describe(name).data.fingerprint for name in FINGERPRINTS} == FINGERPRINTS
    corpus = describe("tasks-skewed")
    assert [str(domain.share) for domain in corpus.domains] == ["2/5", "1/10", "1/10", "2/5"]
    assert corpus.answers_in(126) == 36
    assert describe("tasks-own,values=64").vocab_size == 312


def test_examples_are_read_aloud() -> None:
    said = list(examples("tasks,values=8"))
    assert [domain for domain, _ in said] == [name for name in TASKS for _ in range(3)]
    assert all(text.startswith("start ") and text.count(", that is ") == 4 for _, text in said)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("task:sums", "task 'sums' is not one of arith, logic"), ("tasks,form=odd", "form=odd"),
        ("tasks,layout=x", "layout=x"), ("tasks,symbols=some", "symbols=some"), ("tasks,steps=0", "steps=0"),
        ("task:logic,values=12", "not a power of two"), ("tasks,values=many", "not a whole number"),
        ("tasks-own,values=256", "needs .* ids"), ("task:arith,colour=red", "accepts the options"),
    ],
)  # fmt: skip
def test_bad_names_are_one_sentence(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        prepare(name)


def test_a_key_names_every_option() -> None:
    task = made("entail", values=8, layout="asked")
    assert task_of(f"entail,{task.options.key}").options == task.options
