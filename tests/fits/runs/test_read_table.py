"""Reading a file of runs: foreign columns and units, runs set aside with reasons, every mistake as one sentence."""

import json

import numpy as np
import pandas as pd
import pytest

from fits import from_records, read_table
from planners.records.errors import UsageError

GOOD = "N,D,C,loss\n1e8,2e9,1.2e18,3.1\n2e8,4e9,4.8e18,2.9\n"


def written(tmp_path, text, name="runs.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def assert_refused(action, *words):
    """Assert that `action` raises one sentence that holds every word, and return it."""
    with pytest.raises(UsageError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, f"{word!r} not in {message!r}"
    return message


def test_columns_are_numbers_and_rows_count_from_one(tmp_path):
    table = read_table(written(tmp_path, GOOD))
    assert list(table.frame.index) == [1, 2]
    assert len(table) == 2
    assert table.numbers("D").tolist() == [2e9, 4e9]
    assert table.dropped == ()


def test_byte_order_mark_spaces_and_blank_lines_are_tolerated(tmp_path):
    text = b"\xef\xbb\xbf" + GOOD.replace("N,D", " N , D ").replace("\n2e8", "\n\n,,,\n2e8").encode()
    assert read_table(written(tmp_path, text)).numbers("N").tolist() == [1e8, 2e8]


def test_foreign_columns_are_mapped_and_kept(tmp_path):
    path = written(tmp_path, "n_params,tokens,val\n1e8,2e9,3.1\n")
    table = read_table(path, {"N": "n_params", "D": "tokens", "loss": "val"})
    assert table.numbers("N")[0] == 1e8
    assert table.numbers("loss")[0] == 3.1
    assert "n_params" in table.frame


def test_a_mapped_column_wins_over_one_of_ours(tmp_path):
    path = written(tmp_path, "loss,bpb\n3.1,0.9\n")
    assert read_table(path, {"loss": "bpb"}).numbers("loss")[0] == 0.9


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("runs.jsonl", lambda frame, path: path.write_text(frame.to_json(orient="records", lines=True))),
        ("runs.parquet", lambda frame, path: frame.to_parquet(path)),
        ("runs.txt", lambda frame, path: frame.to_csv(path, index=False)),
    ],
)
def test_other_files_hold_the_same_runs(tmp_path, name, write):
    frame = pd.DataFrame({"N": [1e8, 2e8], "loss": [3.1, None], "arm": ["a", "b"]})
    write(frame, tmp_path / name)
    table = read_table(tmp_path / name)
    assert table.numbers("N").tolist() == [1e8]
    assert [(one.row, one.reason) for one in table.dropped] == [(2, "loss is empty")]


def test_a_torn_last_line_of_jsonl_is_reported(tmp_path):
    path = written(tmp_path, json.dumps({"loss": 3.0}) + '\n{"loss": 2.', "runs.jsonl")
    table = read_table(path)
    assert len(table) == 1
    assert [(one.row, one.reason) for one in table.dropped] == [(2, "torn last line")]


def test_runs_without_a_result_are_left_out_with_the_reason(tmp_path):
    path = written(tmp_path, "state,C,loss\ndone,1,3.0\nfailed,2,\ndiverged,3,nan\n,4,2.9\ndone,5,\nrunning,x,4\n")
    table = read_table(path)
    assert table.numbers("loss").tolist() == [3.0, 2.9]
    assert [(one.row, one.reason, one.C) for one in table.dropped] == [
        (2, "state is failed", 2),
        (3, "state is diverged", 3),
        (5, "loss is empty", 5),
        (6, "state is running", None),
    ]


@pytest.mark.parametrize("state", ["", "state,"])
@pytest.mark.parametrize("value", ["0", "-1", "-inf", "abc", "1,5"])
def test_impossible_loss_names_row_column_and_value(tmp_path, state, value):
    done = "done," if state else ""
    path = written(tmp_path, f'{state}loss\n{done}3.0\n{done}"{value}"\n')
    assert_refused(lambda: read_table(path), "row 2", "loss", value, "remove the row")


@pytest.mark.parametrize("value", ["", "nan", "0", "-2e9", "inf", "2 Q"])
def test_impossible_value_is_refused_only_when_it_is_needed(tmp_path, value):
    table = read_table(written(tmp_path, f"N,D,loss\n1e8,2e9,3\n1e8,{value},2.9\n"))
    assert table.numbers("N").tolist() == [1e8, 1e8]
    assert_refused(lambda: table.numbers("D"), "row 2", "D is", "positive")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ("No such file",)),
        (b"", ("no runs",)),
        (b"N,D,loss\n", ("no runs",)),
        (b"PK\x03\x04\xff\xfe\x00\x81", ("Excel",)),
        (b"a\x00b\x81\xff", ("UTF-8",)),
        (b"\x1f\x8bno gzip", ("decompressed",)),
        (b"\xd0\xcf\x11\xe0", ("old Excel", ".xlsx")),
        (b"1e8,2e9,3.1\n2e8,4e9,2.9\n", ("line 1", "not a header")),
        (b"N,D\n1,2\n", ("no column loss", "it has N, D", "--columns loss=")),
        (b"N,loss,N\n1,2,3\n", ("twice",)),
        (b"N,loss\n1,2\n1\n", ("line 3", "1 cells", "header 2")),
        (b"N,loss\n1,2,3\n", ("line 2", "3 cells")),
    ],
)
def test_unreadable_files(tmp_path, content, words):
    path = tmp_path / "runs.csv" if content is None else written(tmp_path, content)
    assert_refused(lambda: read_table(path), str(path), *words)


def test_folder_and_broken_parquet_are_refused(tmp_path):
    assert_refused(lambda: read_table(tmp_path), "directory")
    assert_refused(lambda: read_table(written(tmp_path, "no parquet", "runs.parquet")), "Parquet")
    assert_refused(lambda: read_table(written(tmp_path, "PAR1 broken", "broken.parquet")), "Parquet")
    assert_refused(lambda: read_table(tmp_path / "missing.parquet"), "No such file")


def test_mapping_to_a_missing_column_lists_what_is_there(tmp_path):
    assert_refused(lambda: read_table(written(tmp_path, GOOD), {"loss": "ppl"}), "'ppl'", "C, D, N, loss")


def test_rates_come_from_the_column_or_from_the_counts(tmp_path):
    assert from_records([{"N": 100, "N_a": 20, "loss": 1}]).rates().tolist() == [0.2]
    assert from_records([{"N": 100, "N_a": 20, "r_a": 0.21, "loss": 1}]).rates().tolist() == [0.21]
    assert_refused(lambda: from_records([{"N": 100, "loss": 1}]).rates(), "neither r_a nor both N_a and N")
    assert_refused(lambda: from_records([{"r_a": 20, "loss": 1}]).rates(), "r_a is 20", "at most 1")
    assert_refused(lambda: from_records([{"N": 100, "N_a": 120, "loss": 1}]).rates(), "r_a is 1.2")
    assert_refused(lambda: from_records([{"N": 100, "N_a": None, "loss": 1}]).rates(), "r_a is nan")


def test_a_column_can_be_converted_from_billions_and_per_cent(tmp_path):
    path = written(tmp_path, "n,tokens_b,rate,loss\n1e8,2,19.1,3.1\n")
    table = read_table(path, {"N": "n", "D": "tokens_b*1e9", "r_a": "rate*.01"})
    assert (table.numbers("D")[0], table.rates()[0]) == pytest.approx((2e9, 0.191))
    assert_refused(lambda: read_table(path, {"D": "tokens_b*many"}), "no column 'many'", "tokens_b")
    assert_refused(lambda: read_table(path, {"D": "tokens_m*1e6"}), "'tokens_m'")


def test_a_column_whose_name_contains_a_star_is_found(tmp_path):
    assert read_table(written(tmp_path, "N,a*2,loss\n1e8,5e9,3\n"), {"D": "a*2"}).numbers("D")[0] == 5e9


@pytest.mark.parametrize("column", ["N", "D"])
def test_numbers_in_undeclared_billions_are_refused(tmp_path, column):
    header, values = {"N": ("N,D", ".07,2e9"), "D": ("N,D", "1e8,300")}[column]
    path = written(tmp_path, f"{header},loss\n{values},3.1\n")
    assert_refused(lambda: read_table(path), f"{column}={column}*1e9")


def test_millions_of_parameters_and_billions_of_tokens_are_refused(tmp_path):
    path = written(tmp_path, "N,D,loss\n100,2,3.1\n7000,140,2.5\n")
    assert_refused(lambda: read_table(path), "--columns 'N=N*1e6,D=D*1e9'")


def test_a_data_frame_is_read_like_a_file():
    frame = pd.DataFrame({"n_params": [1e8, 2e8], "tokens_b": [2.0, np.nan], "loss": [3.1, 2.9]})
    table = read_table(frame, {"N": "n_params", "D": "tokens_b*1e9"})
    assert table.numbers("N").tolist() == [1e8, 2e8]
    assert table.frame["D"].isna().tolist() == [False, True]
    assert read_table(table) is table
    assert_refused(lambda: read_table(pd.DataFrame({"N": [7.0], "loss": [3.0]})), "N=N*1e9")
