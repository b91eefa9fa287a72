"""The sweep command: a person is asked before begun runs continue with other code."""

import io
import json
import sys

import pytest

from jobs.run.attempts import path_of
from planners import Study
from scaling import cli


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "goes_ahead"), [("\n", False), ("no\n", False), ("", False), ("y\n", True)])
def test_a_person_is_asked_before_runs_continue_with_other_code(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, answer: str, goes_ahead: bool
) -> None:
    started: list[Study] = []
    monkeypatch.setattr("scaling.sweep.train_until_done", lambda study, *_, **__: started.append(study) or 1 / 0)
    folder = tiny_study.make_run_folder(tiny_study.runs()[0].run_id)
    path_of(folder).write_text(json.dumps({"event": "started", "D": 0, "code": "other"}) + "\n")
    (folder / "metrics.jsonl").write_text('{"step": 1, "D": 64, "loss": 5.0}\n')
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", asked := Terminal())
    if goes_ahead:
        with pytest.raises(ZeroDivisionError):
            cli.main(["sweep", str(tiny_study.folder), "--go"])
    else:
        assert cli.main(["sweep", str(tiny_study.folder), "--go"]) == cli.FAILED
    assert bool(started) is goes_ahead
    assert "1 runs were begun with other code than this" in asked.getvalue()
