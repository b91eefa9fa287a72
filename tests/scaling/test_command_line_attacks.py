"""make soak: command lines of odd flags and values end with a result or one sentence, and harm no other file."""

import importlib
import os
import random
from pathlib import Path

import pytest
from attacks import Totals, command, count_of, files_below
from made_runs import record_of

from jobs.record import write_record
from planners import Question, Study, make_plan
from scaling import cli

pytestmark = pytest.mark.soak
ODD = [
    *("", " ", "-", "--", "---", "=", ",", ",,", "0", "-0", "-1", "1", "2", "3M", "1e9", "1e18", "1e308", "1e400"),
    *("1e-320", "nan", "inf", "-inf", "9" * 20, "9" * 400, "1_000", "0x10", "²", "９", "½", "1,2", "1,,2", "1,x"),
    *(
        "x",
        "x" * 4000,
        "a b",
        "a\nb",
        "\x1b[31mred",
        "a\x01b",
        "\udcff",
        "é",
        "🙂",
        "%a",
        "%s",
        "{}",
        "{0}",
        "[",
        "[1]",
    ),
    *("a=b", "a=", "=b", "N=1,D=2", "loss=ln(ppl)", "N=1e400", "r_a<0.5", "state=done", "a.b.c=1", "/", ".", ".."),
    *("/dev/null", "/proc/self/mem", "~nosuchuser/x", "~/nothing", "missing/a/b", "text:~nosuchuser/x", "zipf:1e9"),
    *("text:/dev/null", "text:missing@bpe:0", "synthetic:", "smoke", "laptop", "cubic", "chinchilla", "li2025"),
]
SKIPPED = {"--go", "--gallery", "--reproduce", "--help", "--wait", "--no-wait", "--data", "--bootstrap", "--repeats"}
"""Flags that train, take minutes or ask the network; some have a value in `GIVEN`."""
GIVEN = {
    "plan": ("--data", "none"),
    "fit": ("--bootstrap", "0"),
    "simulate": ("--repeats", "0"),
    "study": ("nothing",),
    "train": ("nothing",),
}


@pytest.fixture
def place(tmp_path: Path, tiny_question: Question, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study whose runs have ended and a table, and a folder of somebody else."""
    study = Study(tmp_path / "here" / "s")
    tmp_path.joinpath("here").mkdir()
    study.write(make_plan(tiny_question))
    for number, spec in enumerate(study.runs()):
        write_record(study, record_of(spec, loss=2.0 + number / 10))
    rows = (f"{n}e6,{d}e8,{3 + 1 / n / d}" for n in (1, 2, 4) for d in (1, 2, 5))
    (tmp_path / "here" / "t.csv").write_text("\n".join(["N,D,loss", *rows]) + "\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("of somebody else")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def line(draw: random.Random) -> list[str]:
    """Return a command line: a verb, some flags and positions, with odd values for most of them."""
    verb = draw.choice(list(cli.VERBS))
    actions = importlib.import_module(f"scaling.{verb}").arguments()._actions
    words = [verb, *GIVEN.get(verb, ())]
    for action in draw.sample(actions, min(len(actions), draw.randint(0, 4))):
        value = draw.choice(ODD) if draw.random() < 0.8 or not action.choices else draw.choice(list(action.choices))
        if not action.option_strings:
            words.append(draw.choice(["s", "t.csv", value]))
        elif not SKIPPED.intersection(action.option_strings):
            flag = draw.choice(action.option_strings)
            words += [flag] if action.nargs == 0 else draw.choice([[flag, value], [f"{flag}={value}"]])
    return words


def test_command_lines(place: Path) -> None:
    totals = Totals("command lines")
    outside = files_below(place / "other")
    draw = random.Random(0)
    for number in range(count_of(3000)):
        words = line(draw) if number % 50 else [draw.choice(ODD)]
        outcome = command(*words)
        fault = outcome.fault or (
            "a file of somebody else changed" if files_below(place / "other") != outside else None
        )
        totals.add(words[0] if words[0] in cli.VERBS else "other", fault, words)
    totals.close()


def test_environments(place: Path) -> None:
    """Variables that other programs set, and none at all."""
    totals = Totals("environments")
    names = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "SCALING_CLUSTER", "SCALING_CORPORA", "CUDA_VISIBLE_DEVICES")
    names += ("RANK", "WORLD_SIZE", "OMP_NUM_THREADS", "SCALING_CHECKPOINT_S", "COLUMNS", "TERM", "LANG", "TMPDIR")
    commands = [
        ["sweep", "s", "--status"],
        ["sweep", "s"],
        ["fit", "s", "--bootstrap", "0"],
        ["plan", "--data", "none"],
    ]
    draw = random.Random(1)
    for _ in range(count_of(300)):
        chosen = {name: draw.choice([None, *ODD]) for name in draw.sample(names, 3)}

        def odd(chosen: dict[str, str | None] = chosen) -> None:
            for name, value in chosen.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

        words = draw.choice(commands)
        totals.add(words[0], command(*words, before=odd).fault, (words, chosen))
    totals.close()
