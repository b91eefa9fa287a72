"""Every form of file gives the same runs; a damaged file gives one sentence or the values of an independent reader."""

import csv
import gzip
import io
import json
import math
import re
from contextlib import suppress

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from fits import read_table
from fits.runs.formats import read_rows
from planners.records.errors import UsageError

N = [49_999_999, 78_730_505, 123_969_849]
D = [20_000_000_400.0, 12_701_557_039.5, 8_066_477_519.25]
LOSS = [7.192785, 6.750171, 6.40664]
PLAIN = "N,D,loss\n" + "".join(f"{n},{d},{loss}\n" for n, d, loss in zip(N, D, LOSS, strict=True))
GERMAN = PLAIN.replace(",", ";").replace(".", ",")
RECORDS = [{"N": n, "D": d, "loss": loss} for n, d, loss in zip(N, D, LOSS, strict=True)]
ALIGNED = "N           D                 loss\n---------------------------------\n" + "".join(
    f"{n:,}  {d:,}  {loss}\n" for n, d, loss in zip(N, D, LOSS, strict=True)
)
QUOTED = "N,D,loss\n" + "".join(f'"{n:,}","{d:,}","{loss}"\n' for n, d, loss in zip(N, D, LOSS, strict=True))
MARKDOWN = "# Runs\n\n| N | D | **loss** |\n|---|:-:|---:|\n" + "".join(
    f"| {n} | {d} | **{loss}** |\n" for n, d, loss in zip(N, D, LOSS, strict=True)
)
FORMS: dict[str, bytes] = {
    "plain": PLAIN.encode(),
    "byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "UTF-32": PLAIN.encode("utf-32"),
    "cp1252": re.sub(r"^(?=\d)", "é,", PLAIN.replace("N,", "modèle,N,"), flags=re.MULTILINE).encode("cp1252"),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "decimal commas": GERMAN.encode(),
    "sep line": b"sep=;\r\n" + GERMAN.encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "bars": PLAIN.replace(",", "|").encode(),
    "Windows line ends": PLAIN.replace("\n", "\r\n").encode(),
    "quoted": QUOTED.encode(),
    "comments": b"# made by sweep.py\n" + PLAIN.replace("\n7", "\n# resumed, then\n7").encode(),
    "commented header": b"# " + PLAIN.encode(),
    "title": b"Scaling runs 2025,,\n\n" + PLAIN.encode(),
    "empty columns": PLAIN.replace("\n", ",,\n").encode(),
    "index": (",N,D,loss\n" + "".join(f"{at},{line}\n" for at, line in enumerate(PLAIN.splitlines()[1:]))).encode(),
    "aligned": ALIGNED.encode(),
    "Markdown": MARKDOWN.encode(),
    "gzip": gzip.compress(PLAIN.encode()),
    "array": json.dumps(RECORDS, indent=1).encode(),
    "NDJSON": "\n".join(map(json.dumps, RECORDS)).encode(),
    "wrapped": json.dumps({"version": 1, "runs": RECORDS}).encode(),
    "columns": json.dumps({"N": N, "D": D, "loss": LOSS}).encode(),
    "pandas split": pd.DataFrame(RECORDS).to_json(orient="split", double_precision=15).encode(),
    "pandas columns": pd.DataFrame(RECORDS).to_json(double_precision=15).encode(),
    "by name": json.dumps({f"run {at}": row for at, row in enumerate(RECORDS)}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_runs(tmp_path, form):
    path = tmp_path / "runs.txt"
    path.write_bytes(FORMS[form])
    table = read_table(path)
    assert [table.numbers(column).tolist() for column in ("N", "D", "loss")] == [N, D, LOSS]


def test_parquet_zstandard_and_excel(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    frame = pd.DataFrame(RECORDS)
    frame.to_parquet(tmp_path / "runs.parquet")
    with pyarrow.CompressedOutputStream(str(tmp_path / "runs.csv.zst"), "zstd") as file:
        file.write(PLAIN.encode())
    for name in ("runs.parquet", "runs.csv.zst"):
        assert read_table(tmp_path / name).numbers("D").tolist() == D
    pytest.importorskip("openpyxl")
    frame.to_excel(tmp_path / "runs.xlsx", index=False, startrow=2)
    assert read_table(tmp_path / "runs.xlsx").numbers("D").tolist() == D


def test_excel_without_its_reader_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    (tmp_path / "runs.xlsx").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(UsageError, match=r"openpyxl .* pip install 'scaling\[excel\]'"):
        read_table(tmp_path / "runs.xlsx")


def test_nested_rows_become_columns_with_dots(tmp_path):
    path = tmp_path / "api.jsonl"
    rows = [{"config": {"n_params": n, "optimizer": {"lr": 1e-3}}, "summary": {"val/loss": 3.0}} for n in N]
    path.write_text("\n".join(map(json.dumps, rows)))
    table = read_table(path, {"N": "config.n_params", "loss": "summary.val/loss"})
    assert table.numbers("N").tolist() == N
    assert table.numbers("config.optimizer.lr").tolist() == [1e-3] * 3


def test_a_chart_of_wandb_gives_the_last_value_of_each_run(tmp_path):
    path = tmp_path / "chart.csv"
    names = [f"a - b - val/loss{end}" for end in ("", "__MIN", "__MAX")] + [
        f"c - val/loss{end}" for end in ("", "__MIN", "__MAX")
    ]
    lines = [["Step", *names], [0, 9, 9, 9, 8, 8, 8], [10, 4, 4, 4, 5, 5, 5], [20, "", "", "", 3, 3, 3]]
    path.write_text("\n".join(",".join(map(str, line)) for line in lines))
    assert read_rows(path).rows == [
        {"run": "a - b", "Step": "10", "val/loss": "4"},
        {"run": "c", "Step": "20", "val/loss": "3"},
    ]
    with pytest.raises(UsageError, match=r"loss=val/loss.*a chart of Weights & Biases"):
        read_table(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"results": {"wikitext": {"bits_per_byte,none": 0.8}}}, "the evaluations of one model"),
        (3, "no runs"), ([], "no runs"), ([1, 2], "an object"), ({"loss": None}, "can be used|no runs|loss"),
    ],
)  # fmt: skip
def test_other_json_is_named(tmp_path, content, words):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    try:
        assert len(read_table(path)) == 0
    except UsageError as error:
        assert pd.Series([str(error)]).str.contains(words).all()


def test_a_panel_without_bounds_and_columns_in_an_object_are_read(tmp_path):
    (tmp_path / "panel.csv").write_text("Step,a - val/loss,b - val/loss\n1,4,5\n2,3,\n")
    assert read_table(tmp_path / "panel.csv", {"loss": "val/loss"}).numbers("loss").tolist() == [3.0, 5.0]
    (tmp_path / "data.json").write_text(json.dumps({"data": {"N": N, "D": D, "loss": LOSS}}))
    assert read_table(tmp_path / "data.json").numbers("loss").tolist() == LOSS


STYLES = {
    "plain": (",", PLAIN),
    "german": (";", GERMAN),
    "semicolons": (";", PLAIN.replace(",", ";")),
    "tabs": ("\t", PLAIN.replace(",", "\t")),
    "grouped": (",", QUOTED),
}


def independent(text: str, delimiter: str) -> list[dict[str, set[float]]]:
    """Return, for each row below the header, the numbers that each cell may stand for, read by csv and float alone."""
    lines = [line for line in csv.reader(io.StringIO(text), delimiter=delimiter) if any(map(str.strip, line))]
    header = next((at for at, line in enumerate(lines) if sum(bool(cell.strip()) for cell in line) > 1), 0)
    names = [" ".join(name.split()) for name in lines[header]]
    return [{name: readings(cell) for name, cell in zip(names, line, strict=False)} for line in lines[header + 1 :]]


def readings(cell: str) -> set[float]:
    found = set()
    for text in (cell, cell.replace(",", ""), cell.replace(".", "").replace(",", "."), cell.replace(" ", "")):
        try:
            found.add(float(text))
        except ValueError:
            continue
    return found


def check_damaged(folder, style: str, edits: list[tuple[int, int, str]]) -> None:
    """Damage a file by `edits` (place, how many signs go, what comes), and compare what is read with `independent`."""
    delimiter, text = STYLES[style]
    for place, gone, new in edits:
        at = place % (len(text) + 1)
        text = text[:at] + new + text[at + gone :]
    path = folder / "damaged.csv"
    path.write_text(text, newline="")
    try:
        table = read_table(path)
    except UsageError as error:
        assert "\n" not in str(error).replace(text, "") or "\n" in text
        return
    rows = independent(text, delimiter)
    for row, cells in table.frame.iterrows():
        for name, cell in cells.items():
            if isinstance(cell, int | float) and math.isfinite(cell) and name in rows[row - 1]:
                assert cell in rows[row - 1][name], (text, row, name, cell)


EDITS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 3), st.text('0123456789.,;\t\n"eE+- x', max_size=3)), max_size=4
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


@settings(max_examples=150, deadline=None)
@given(style=st.sampled_from(sorted(STYLES)), edits=EDITS)
def test_a_damaged_file_gives_no_traceback_and_no_misread_number(folder, style, edits):
    check_damaged(folder, style, edits)


@pytest.mark.soak
@settings(max_examples=3000, deadline=None)
@given(style=st.sampled_from(sorted(STYLES)), edits=EDITS)
def test_thousands_of_damaged_files(folder, style, edits):
    check_damaged(folder, style, edits)


@settings(max_examples=150, deadline=None)
@given(form=st.sampled_from(sorted(FORMS)), place=st.integers(0, 1000), new=st.binary(max_size=4))
def test_damaged_bytes_give_no_traceback(folder, form, place, new):
    content = FORMS[form]
    at = place % len(content)
    (folder / "bytes").write_bytes(content[:at] + new + content[at + len(new) :])
    with suppress(UsageError):
        read_table(folder / "bytes")


@st.composite
def rendered(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a table of runs; return its clean CSV, for pandas, and the same table as somebody may have written it."""
    one = st.tuples(st.integers(10**6, 10**11), st.integers(10**8, 10**13), LOSSES)
    rows = draw(st.lists(one, min_size=1, max_size=6, unique_by=lambda row: row[0]))
    clean = "N,D,loss\n" + "".join(f"{n},{d},{loss}\n" for n, d, loss in rows)
    decimal = draw(st.sampled_from(".,"))
    delimiter = draw(st.sampled_from(";\t|" if decimal == "," else ",;\t|"))
    group = draw(st.sampled_from(["", "", " ", "_", "." if decimal == "," else ","]))
    cells = [["N", "D", "loss"]] + [
        [f"{n:,}".replace(",", group), f"{d:,}".replace(",", group), loss.replace(".", decimal)] for n, d, loss in rows
    ]
    if draw(st.booleans()):
        cells = [[*line, "", ""] for line in cells]
    if draw(st.booleans()):
        cells = [[("run" if at == 0 else f"r{at}"), *line] for at, line in enumerate(cells)]
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    text = io.StringIO()
    end = draw(st.sampled_from(["\n", "\r\n"]))
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(cells)
    above = draw(st.sampled_from(["", "# a comment" + end, end, "My runs" + end]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    content = (above + text.getvalue()).encode(encoding)
    return clean, gzip.compress(content) if draw(st.booleans()) else content


LOSSES = st.integers(10000, 999999).map(lambda value: f"{value // 10**5 + 1}.{value % 10**5:05d}1")


def check_rendering(folder, table: tuple[str, bytes]) -> None:
    clean, content = table
    (folder / "table").write_bytes(content)
    expected = pd.read_csv(io.StringIO(clean)).drop_duplicates()
    try:
        found = read_table(folder / "table")
    except UsageError as error:
        assert re.search("tokens per parameter|mixes units|nats", str(error)), (error, content)
        return
    for name in ("N", "D", "loss"):
        assert found.numbers(name).tolist() == expected[name].astype(float).tolist(), content


@settings(max_examples=100, deadline=None)
@given(table=rendered())
def test_a_table_in_any_dress_gives_the_values_of_pandas(folder, table):
    check_rendering(folder, table)


@pytest.mark.soak
@settings(max_examples=2000, deadline=None)
@given(table=rendered())
def test_thousands_of_tables_in_any_dress(folder, table):
    check_rendering(folder, table)
