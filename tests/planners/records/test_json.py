"""The JSON round trip of records, and their hash."""

from dataclasses import dataclass

import pytest

from planners import Data, UsageError
from planners.records.json import content_hash, from_json, without_defaults


def test_a_field_added_later_keeps_old_hashes() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Before:
        a: int

    @dataclass(frozen=True, kw_only=True)
    class After:
        a: int
        b: str = "as before"

    assert content_hash(without_defaults(Before(a=1))) == content_hash(without_defaults(After(a=1)))
    assert content_hash(without_defaults(After(a=1))) != content_hash(without_defaults(After(a=1, b="new")))


@pytest.mark.parametrize(
    ("data", "names"),
    [({}, "missing"), ({"name": "a"}, "fingerprint"), ({"name": 1, "fingerprint": "b"}, "name"),
     ({"name": "a", "fingerprint": "b", "x": 1}, "'x'"), ([], "object"), ("a", "object")],
)  # fmt: skip
def test_wrong_json_is_named(data: object, names: str) -> None:
    with pytest.raises(UsageError, match=names):
        from_json(Data, data, "here")
