"""Local files of every form: encodings, compression, nested fields, columns that nobody asked for; what is left out."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jobs.corpora import describe, prepare
from planners import UsageError
from scaling import cli

WORDS = [f"{start}{end}" for start in ("lo", "ga", "ti", "mu") for end in ("ss", "te", "rn", "x")]
pa = pytest.importorskip("pyarrow")


def text(number: int) -> str:
    """Return a document of its own, with signs outside ASCII."""
    return " ".join(WORDS[(number * 7 + k * k) % len(WORDS)] for k in range(40)) + f" café {number}."


TEXTS = [text(number) for number in range(120)]


def jsonl(rows: list[object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "text"], *([number, one + '\n"quoted", lines'] for number, one in enumerate(TEXTS))])


def parquet(path: Path, rows: list[dict[str, object]]) -> None:
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(rows), path)


def zst(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


PLAIN = [{"text": one} for one in TEXTS]
NESTED = [{"id": number, "data": {"text": one, "n": 1}} for number, one in enumerate(TEXTS)]
LATE = [{"text": one, "meta": None} for one in TEXTS[:60]] + [{"text": one, "meta": {"url": "u"}} for one in TEXTS[60:]]
FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "lines": ("a.jsonl", lambda path: path.write_bytes(jsonl(PLAIN)), ""),
    "ndjson": ("a.ndjson", lambda path: path.write_bytes(jsonl(PLAIN)), ""),
    "a list": ("a.json", lambda path: path.write_text(json.dumps(PLAIN, indent=1)), ""),
    "a list under a key": ("a.json", lambda path: path.write_text(json.dumps({"v": 1, "rows": PLAIN}, indent=1)), ""),
    "a late column": ("a.jsonl", lambda path: path.write_bytes(jsonl(LATE)), ""),
    "gzip": ("a.json.gz", lambda path: path.write_bytes(gzip.compress(jsonl(PLAIN))), ""),
    "zstd": ("a.jsonl.zst", lambda path: path.write_bytes(zst(jsonl(PLAIN))), ""),
    "nested": ("a.jsonl", lambda path: path.write_bytes(jsonl(NESTED)), ",field=data.text"),
    "nested parquet": ("a.parquet", lambda path: parquet(path, NESTED), ",field=data.text"),
    "parquet": ("a.parquet", lambda path: parquet(path, [{"n": 1, "content": one} for one in TEXTS]), ""),
    "csv": ("a.csv", as_csv, ""),
}


@pytest.mark.parametrize(("name", "write", "field"), FILES.values(), ids=FILES)
def test_every_form_gives_the_documents(name: str, write: Callable[[Path], object], field: str, tmp_path: Path) -> None:
    write(tmp_path / name)
    for corpus in (f"hf:{tmp_path / name}{field}", f"hf:{tmp_path}{field}", f"{tmp_path / name}{field}"):
        manifest = prepare(corpus).manifest
        assert sum(manifest.documents.values()) == len(TEXTS)
        assert manifest.all_left_out == {}
    if name != "a.csv":
        assert manifest.fingerprint == prepare(_plain(tmp_path)).manifest.fingerprint


def _plain(folder: Path) -> str:
    (folder / "plain").mkdir(exist_ok=True)
    (folder / "plain" / "x.jsonl").write_bytes(jsonl(PLAIN))
    return f"hf:{folder / 'plain' / 'x.jsonl'}"


ENCODINGS = {"utf-16": {}, "utf-8-sig": {}, "utf-32": {}, "utf-16-le": {"binary": 60}, "latin-1": {}}


@pytest.mark.parametrize(("encoding", "left_out"), ENCODINGS.items(), ids=ENCODINGS)
def test_encodings_are_read_or_counted(encoding: str, left_out: dict[str, int], tmp_path: Path) -> None:
    for number, one in enumerate(TEXTS):
        (tmp_path / f"{number:03}.txt").write_text(one, encoding=encoding if number % 2 else "utf-8")
    manifest = prepare(f"text:{tmp_path}").manifest
    assert manifest.all_left_out == left_out
    assert sum(manifest.documents.values()) == len(TEXTS) - sum(left_out.values())
    notes = list(describe(f"text:{tmp_path}").notes())
    assert ("60 documents: 60 binary" in " ".join(notes)) == bool(left_out)
    assert describe(f"text:{tmp_path}").left_out == left_out  # remembered


def test_the_counts_belong_to_the_source_and_not_to_equal_text(tmp_path: Path) -> None:
    for folder in ("clean", "mixed"):
        (tmp_path / folder).mkdir()
        for number, one in enumerate(TEXTS):
            (tmp_path / folder / f"{number:03}.txt").write_text(one)
    (tmp_path / "mixed" / "picture.png").write_bytes(b"\x89PNG\x00\x00")
    (tmp_path / "mixed" / "torn.txt").write_bytes(b"\xff\xfea")
    clean, mixed = (prepare(f"text:{tmp_path / folder}").manifest for folder in ("clean", "mixed"))
    assert clean.fingerprint == mixed.fingerprint
    assert clean.all_left_out == {}
    assert mixed.all_left_out == {"binary": 1, "not_decoded": 1}


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.zst"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_single_file_is_cut_into_blocks(name: str, encoding: str, tmp_path: Path) -> None:
    content = "\n".join(f"{one} {number}" for number in range(10) for one in TEXTS).encode(encoding)
    packed = {".gz": gzip.compress, ".zst": zst}.get(Path(name).suffix, bytes)
    (tmp_path / name).write_bytes(packed(content))
    manifest = prepare(str(tmp_path / name)).manifest  # a path that exists means text
    assert sum(manifest.documents.values()) > 50
    assert sum(manifest.text_bytes.values()) == len(content.decode(encoding).encode())


def test_an_end_mark_inside_a_text_is_spelled(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    marked = [{"text": one[:50] + "<|endoftext|>" + one[50:]} for one in TEXTS]
    (tmp_path / "a.jsonl").write_bytes(jsonl(marked))
    corpus = prepare(f"hf:{tmp_path / 'a.jsonl'}@bpe:400")
    (domain,) = corpus.domains
    tokenizer = json.loads((domain.store.folder / "tokenizer.json").read_text())
    (end,) = (token["id"] for token in tokenizer["added_tokens"] if token["content"] == "<|endoftext|>")
    ends = sum(int(np.sum(domain.store.tokens(split) == end)) for split in ("train", "validation"))
    assert ends == sum(corpus.manifest.documents.values()) == len(TEXTS)


def test_documents_that_are_not_utf_8_are_said_by_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("tokenizers")
    for number, one in enumerate(TEXTS * 8):
        (tmp_path / f"{number:03}.txt").write_text(f"{one}{number}", encoding="utf-8" if number % 4 else "cp1252")
    words = ["plan", "--preset", "smoke", "--budget", "1e10", "--eval-windows", "4", "--data", f"{tmp_path}@bpe:400"]
    assert cli.main([*words, "--json"]) in (cli.DONE, cli.GAPS), capsys.readouterr().err
    notes = " ".join(json.loads(capsys.readouterr().out)["notes"])
    assert "leaves out 240 documents: 240 not UTF-8" in notes


def test_rows_without_a_text_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(jsonl([*PLAIN, {"text": None}, {"id": 3}]))
    assert prepare(f"hf:{tmp_path / 'a.jsonl'}").manifest.all_left_out == {"without_text": 2}


BROKEN = {
    "torn gzip": ("a.json.gz", gzip.compress(jsonl(PLAIN))[:-20], "cannot be loaded"),
    "not gzip": ("a.json.gz", jsonl(PLAIN), "cannot be loaded"),
    "torn text": ("a.txt.gz", gzip.compress(b"x" * 99999)[:-20], "cannot be read"),
    "a torn line": ("a.jsonl", jsonl(PLAIN)[:-9], "cannot be loaded"),
    "numbers": ("a.jsonl", jsonl([1, 2]), "int"),
    "no such field": ("a.jsonl", jsonl(NESTED), "data.text"),
    "a number as text": ("a.jsonl", jsonl([{"text": 3}]), "holds int, not text"),
    "few documents": ("a.jsonl", jsonl(PLAIN[:2]), "give 65 or more; a document is a file"),
    "another kind": ("a.xml.gz", b"", "does not|is not|empty|cannot"),
}


@pytest.mark.parametrize(("name", "content", "says"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_read_gives_one_sentence(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    kind = "text" if ".txt" in name else "hf"
    with pytest.raises(UsageError, match=says):
        prepare(f"{kind}:{tmp_path / name}")


def test_messages_say_how_much_would_do(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "notes.txt").write_text("\n".join(f"{one} {number}" for number in range(40) for one in TEXTS))
    words = ["plan", "--preset", "smoke", "--budget", "1e10", "--data", str(tmp_path / "notes.txt")]
    assert cli.main([*words, "--eval-windows", "4096"]) == cli.USAGE
    error = capsys.readouterr().err
    fit = int(error.split("--eval-windows ")[1].split()[0])
    assert "or a corpus of about" in error
    assert cli.main([*words, "--eval-windows", str(fit)]) in (cli.DONE, cli.GAPS)
    assert cli.main([*words, "--eval-windows", str(fit + 1)]) == cli.USAGE
