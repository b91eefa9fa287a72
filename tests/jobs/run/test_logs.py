"""Logs: the section of one run in the log of its worker."""

import json

import pytest

from jobs.run.attempts import path_of
from jobs.run.logs import LOG_MARK, run_log
from planners import Study
from scaling import cli


def test_the_log_of_a_run_is_its_section_of_the_worker_log(tiny_study: Study, capsys: pytest.CaptureFixture) -> None:
    first, second, _ = (spec.run_id for spec in tiny_study.runs())
    log = tiny_study.folder / "worker_log.err"
    log.write_text(f"{LOG_MARK}{first}\nmine\n{LOG_MARK}{second}\nnot mine\n")
    folder = tiny_study.run_folder(first)
    folder.mkdir(parents=True)
    path_of(folder).write_text(json.dumps({"event": "started", "log": str(log)}) + "\n")
    (folder / "error.txt").write_text("Traceback\n")
    assert run_log(tiny_study, first) == ["Traceback", f"{log}:", "mine"]
    assert cli.main(["sweep", str(tiny_study.folder), "--log", first[:6]]) == cli.DONE
    assert "mine" in capsys.readouterr().out
    assert cli.main(["sweep", str(tiny_study.folder), "--log", second]) == cli.DONE
    assert "nothing yet" in capsys.readouterr().out
    assert cli.main(["sweep", str(tiny_study.folder), "--log", "zz"]) == cli.USAGE
    log.unlink()
    assert run_log(tiny_study, first)[-1] == "the log is gone"
