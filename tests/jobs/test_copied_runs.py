from dataclasses import replace
from pathlib import Path

from made_runs import record_of

from jobs.corpora import describe
from jobs.record import collect, read_record, write_record
from planners import Question, Study, make_plan
from scaling import cli


def test_finished_runs_are_copied_with_their_origin(
    tiny_study: Study, tiny_question: Question, tmp_path: Path, capsys: object
) -> None:
    first, second, third = tiny_study.runs()
    write_record(tiny_study, record_of(first))
    write_record(tiny_study, record_of(second, "failed"))
    write_record(tiny_study, replace(record_of(third), flags=("simulated",)))
    (tiny_study.run_folder(first.run_id) / "metrics.jsonl").write_text("{}\n")
    (tiny_study.run_folder(first.run_id) / "lock").write_text("held")
    (tiny_study.run_folder(first.run_id) / "inside").symlink_to("metrics.jsonl")
    wider = Study(tmp_path / "wider")
    flags = [str(word) for pair in (("--seeds", "0,1"), ("--reuse", tiny_study.folder)) for word in pair]
    corpus = describe(str(tiny_question.data))
    wider.write(make_plan(replace(tiny_question, seeds=(0,), study="wider"), corpus))
    assert cli.main(["plan", *flags, "-o", str(wider.folder)]) == cli.DONE
    assert {path.name for path in (wider.folder / "runs").iterdir()} == {first.run_id}
    assert {path.name for path in wider.run_folder(first.run_id).iterdir()} == {"metrics.jsonl", "record.json"}
    spec = next(spec for spec in wider.runs() if spec.run_id == first.run_id)
    found = read_record(wider, spec)
    assert found is not None
    assert (found.origin, found.spec.study) == (str(tiny_study.folder), "wider")
    assert [row["origin"] for row in collect(wider)] == [str(tiny_study.folder)]
    assert "origin" not in collect(tiny_study)[0]
    assert cli.main(["plan", *flags, "-o", str(wider.folder)]) == cli.DONE  # again: what is here stays
    assert read_record(wider, spec) == found
