import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from planners.records.errors import UsageError
from planners.records.files import (
    append_row,
    appended_rows,
    last_numbers,
    read_json,
    read_jsonl,
    write_json,
    write_jsonl,
    write_text,
    write_with,
)

ROWS = st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3))


@given(rows=ROWS)
def test_jsonl_round_trips(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "rows.jsonl"
    write_jsonl(path, rows)
    assert read_jsonl(path) == (rows, False)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_torn_last_line_is_left_out_and_reported(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n{"a": 3}'[:-cut])
    rows, torn = read_jsonl(path)
    assert rows == [{"a": 1}, {"a": 2}]
    assert torn == (cut < 8)


def test_a_bad_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a":\n{"a": 3}\n')
    with pytest.raises(UsageError, match="line 2"):
        read_jsonl(path)


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def full_disk(file: object) -> None:
        file.write(b"new, half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_with(path, full_disk)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_same_text_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"a": [1, None, "ü"]})
    before = path.stat().st_mtime_ns, path.stat().st_ino
    write_json(path, {"a": [1, None, "ü"]})
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert read_json(path) == {"a": [1, None, "ü"]}


def test_unreadable_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("{")
    for name in ("bad", "absent"):
        with pytest.raises(UsageError, match=name):
            read_json(tmp_path / name)
    with pytest.raises(UsageError, match="absent"):
        read_jsonl(tmp_path / "absent")


def test_the_last_whole_row_of_a_growing_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"D": 4}\n{"D": 5}\n{"D": 6, "lo')
    assert last_numbers(path) == {"D": 5}
    assert last_numbers(tmp_path / "absent") == {}
    path.write_text("")
    assert last_numbers(path) == {}


def test_rows_are_appended_after_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert appended_rows(path) == []
    append_row(path, {"a": 1})
    path.write_bytes(path.read_bytes() + b'{"a": 2')
    append_row(path, {"a": 3})
    append_row(path, [4])
    assert appended_rows(path) == [{"a": 1}, None, {"a": 3}, None]
