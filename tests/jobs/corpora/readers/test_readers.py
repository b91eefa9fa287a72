"""The registry of corpora: a new kind is one file and one line, and every name parser, message and help knows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.corpora import describe, names
from jobs.corpora.readers import READERS
from jobs.corpora.readers.reader import Reader
from jobs.corpora.readers.synthetic import GENERATOR
from planners import Study, UsageError
from scaling import cli


def counting(argument: str, step: str = "1") -> Iterator[bytes]:
    """Yield documents of consecutive numbers."""
    for start in range(0, 100 * int(argument), 100):
        yield " ".join(str(number) for number in range(start, start + 100, int(step))).encode()


@pytest.fixture
def _numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a corpus of counted numbers."""
    reader = Reader(
        example="numbers:COUNT",
        documents=counting,
        files=lambda argument: [],
        size=lambda argument, **options: None,
        options=("step",),
    )
    monkeypatch.setitem(READERS, "numbers", reader)


@pytest.mark.usefixtures("_numbers")
def test_a_registered_corpus_is_planned_by_name(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = [
        "--data",
        "numbers:1000,step=3",
        "--seq-len",
        "32",
        "--eval-windows",
        "4",
        "--budget",
        "1e11",
        "--total-params",
        "300k",
        "--top-k",
        "0,1",
    ]
    assert cli.main(["plan", *command, "-o", str(tmp_path / "study")]) in (0, 3)
    capsys.readouterr()
    data = Study(tmp_path / "study").runs()[0].data
    assert data is not None
    assert data.name == "numbers:1000,step=3"
    assert data == describe("numbers:1000,step=3").data
    assert data.fingerprint != describe("numbers:1000").data.fingerprint


@pytest.mark.usefixtures("_numbers")
def test_messages_list_the_registered_corpora() -> None:
    for name in ("nonsense", "nonsense:x", ""):
        with pytest.raises(UsageError, match=r"give one of .*text:PATH, .*numbers:COUNT, .*tinystories, or"):
            describe(name)
    with pytest.raises(UsageError, match="numbers accepts the options step, not 'field'"):
        describe("numbers:3,field=a")


def test_help_names_every_corpus(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        cli.main(["plan", "--help"])
    words = capsys.readouterr().out
    kinds = [reader.example.partition(":")[0] for reader in READERS.values()]
    assert [kind for kind in [*kinds, *names.SOURCES] if kind not in words] == []


def test_a_generated_corpus_accepts_no_options() -> None:
    assert READERS["synthetic"] is GENERATOR
    with pytest.raises(UsageError, match="synthetic accepts no options, not 'field'"):
        describe("synthetic:facts,field=a")
