import json
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.corpora import describe
from planners import Data, Question, Study, UsageError, make_plan


def test_a_study_gives_back_its_plan(tiny_study: Study, tiny_question: Question) -> None:
    asked = tiny_study.asked()
    assert (asked.question.study, asked.refused) == ("tiny", ())
    assert asked.notes
    assert [run.arm for run in tiny_study.runs()] == ["dense", "K1", "K2"]
    assert tiny_study.holds(tiny_question)


def test_the_same_question_changes_nothing_and_another_is_refused(tiny_study: Study, tiny_question: Question) -> None:
    before = {path: path.read_bytes() for path in tiny_study.folder.iterdir()}
    corpus = describe(str(tiny_question.data))
    assert tiny_study.write(make_plan(replace(tiny_question, study="renamed"), corpus)) is False
    changed = replace(corpus, data=Data(name=corpus.data.name, fingerprint="another"))
    with pytest.raises(UsageError, match="corpus"):
        tiny_study.write(make_plan(tiny_question, changed))
    with pytest.raises(UsageError, match="another question"):
        tiny_study.write(make_plan(replace(tiny_question, budgets=(7e8,))))
    assert {path: path.read_bytes() for path in tiny_study.folder.iterdir()} == before


def test_a_missing_plan_is_written_again(tiny_study: Study, tiny_question: Question) -> None:
    tiny_study.plan_path.unlink()
    assert not tiny_study.holds(tiny_question)
    assert tiny_study.write(make_plan(tiny_question)) is True


def test_a_study_of_an_older_version_opens_and_is_sealed(tiny_study: Study) -> None:
    asked = json.loads(tiny_study.question_path.read_text())
    planned, _ = asked.pop("plan"), asked.pop("id")
    tiny_study.question_path.write_text(json.dumps(asked))
    assert len(tiny_study.runs()) == planned["runs"]
    assert tiny_study.seal()
    assert json.loads(tiny_study.question_path.read_text())["plan"] == planned
    assert not tiny_study.seal()
    first = tiny_study.id()
    assert first
    assert tiny_study.seal(is_copy=True)
    assert tiny_study.id() != first


def test_links_out_of_the_study_are_refused(tiny_study: Study, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tiny_study.folder / "within").mkdir()
    tiny_study.fits.symlink_to("within")
    tiny_study.check_links()
    tiny_study.report.symlink_to(elsewhere)
    with pytest.raises(UsageError, match="report is a symbolic link that leaves the study"):
        tiny_study.check_links()
    tiny_study.report.unlink()
    run = tiny_study.run_folder(tiny_study.runs()[0].run_id)
    run.mkdir(parents=True)
    (run / "lock").symlink_to(elsewhere / "file")
    with pytest.raises(UsageError, match="lock is a symbolic link"):
        tiny_study.check_links()


def test_a_plan_without_its_question_is_not_overwritten(tiny_study: Study, tiny_question: Question) -> None:
    tiny_study.question_path.unlink()
    before = tiny_study.plan_path.read_bytes()
    with pytest.raises(UsageError, match=r"no study\.json"):
        tiny_study.write(make_plan(replace(tiny_question, data=None)))
    assert tiny_study.plan_path.read_bytes() == before


def test_a_study_needs_the_name_of_a_folder() -> None:
    with pytest.raises(UsageError, match="empty text"):
        Study("")


def test_missing_empty_and_torn_studies_are_refused(tiny_study: Study, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no study"):
        Study(tmp_path / "absent").runs()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        Study(tmp_path / "empty").runs()
    whole = tiny_study.plan_path.read_text()
    tiny_study.plan_path.write_text(whole[:-20])
    with pytest.raises(UsageError, match="torn"):
        tiny_study.runs()
    tiny_study.plan_path.write_text("")
    with pytest.raises(UsageError, match="empty"):
        tiny_study.runs()
    tiny_study.plan_path.write_text(whole.replace('"seed": 0', '"seed": 1', 1))
    with pytest.raises(UsageError, match="was edited"):
        tiny_study.runs()
    tiny_study.plan_path.write_text(whole + whole)
    with pytest.raises(UsageError, match="has 6 runs, but 3 were planned"):
        tiny_study.runs()
    tiny_study.plan_path.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    with pytest.raises(UsageError, match="has 2 runs, but 3 were planned"):
        tiny_study.runs()
    tiny_study.question_path.write_text("[]")
    with pytest.raises(UsageError, match="expected an object"):
        tiny_study.asked()
