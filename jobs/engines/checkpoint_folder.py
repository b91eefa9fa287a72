"""A run of a study as a Hugging Face model folder: configuration, weights, tokenizer, and tasks for lm-eval."""

import json
from pathlib import Path

from jobs.engines import hf
from jobs.engines.engine import manifest_of
from jobs.engines.lm_eval_tasks import task_files
from jobs.engines.safetensors_file import write_safetensors
from jobs.engines.tokenizer import tokenizer_files
from jobs.record import read_record
from planners.records.errors import UsageError, need_packages
from planners.records.files import read_json, write_json, write_text
from planners.spec import RunSpec
from planners.study import Study


def export_checkpoint(study: Study, spec: RunSpec, folder: Path, *, initial: bool = False) -> list[str]:
    """Write the trained (or `initial`) model of a run, and return remarks on what the folder lacks.

    Raises UsageError for a run that was not trained to its end, a shape or router that no family has, and a folder that
    holds something else.
    """
    config = hf.config(spec)
    if "differs" in config:
        raise UsageError(f"no Hugging Face family computes this model: {'; '.join(config['differs'])}")
    about = {
        "run_id": spec.run_id,
        "study": spec.study,
        "arm": spec.arm,
        "weights": "initial" if initial else "trained",
    }
    path = folder / "run.json"
    if (
        folder.exists()
        and any(folder.iterdir())
        and (not path.is_file() or not about.items() <= read_json(path).items())
    ):
        raise UsageError(f"{folder} exists with other content; remove it, or choose another folder")
    need_packages("exporting weights", "torch")
    from jobs.training.weights import initial_weights, trained_weights

    record = None if initial else read_record(study, spec)
    if record is not None and record.is_simulated:
        raise UsageError(f"run {spec.run_id} was simulated, so it has no weights; train it, or give --init")
    arrays = initial_weights(spec) if initial else trained_weights(study, spec)
    files, remarks = _text_files(spec)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ({"config.json": json.dumps(config, indent=1) + "\n"} | files).items():
        write_text(folder / name, text)
    write_safetensors(folder / "model.safetensors", hf.weights(spec, arrays))
    write_json(path, {**about, "loss": record.loss if record else None, "seq_len": spec.training.seq_len})
    return remarks


def _text_files(spec: RunSpec) -> tuple[dict[str, str], list[str]]:
    """Return the files of tokenizer and tasks by name, and remarks on those that there cannot be."""
    from jobs.corpora import open_store

    manifest = manifest_of(spec)
    if spec.data is None or manifest is None:
        where = f"the corpus {spec.data.name} is not on this machine" if spec.data else "the plan names no corpus"
        return {}, [f"no tokenizer and no tasks were written, because {where}"]
    remarks, files = [], {}
    try:
        files = tokenizer_files(manifest, spec.training.seq_len)
    except UsageError as error:
        remarks.append(str(error))
    tasks = task_files(open_store(spec.data)) if files else {}
    return files | {f"tasks/{name}": text for name, text in tasks.items()}, remarks
