"""python -m scaling.train studies/x RUN_ID

Train one run of a study here, in this process, from its newest checkpoint; with --devices W, or started by torchrun, in
several that share its batches.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jobs.execution import Execution
from jobs.failures import FAILURES, classify, is_interruption
from jobs.record import RunRecord, collect, read_record
from jobs.run.ranks import check_processes, forget_error, is_first, is_rank
from jobs.run.worker import first_line, run_lock, train_and_record
from planners import RunSpec, Study, UsageError
from planners.records.json import to_json
from scaling import cli

EXAMPLE = "python -m scaling.train studies/x 9493454f655c"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("train", EXAMPLE)
    parser.add_argument("study", help="folder of the study")
    parser.add_argument("run_id", help="run to train; its first digits are enough")
    cli.add_execution(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Train the run unless it has its record, and show it."""
    study = Study(flags.study)
    found = [spec for spec in study.runs() if spec.run_id.startswith(flags.run_id)]
    if len(found) != 1:
        raise UsageError(
            f"{len(found)} runs of {study.folder} begin with {flags.run_id!r}; list them with:"
            f" python -m scaling.sweep {study.folder}"
        )
    spec = found[0]
    execution = cli.execution(flags)
    check_processes(execution, spec.training)
    os.environ["OMP_NUM_THREADS"] = str(spec.training.threads)
    with held_lock(study, spec):
        record = read_record(study, spec)
        if record is None or record.state == "failed":
            try:
                record = train_with_progress(study, spec, execution, quiet=flags.json or not is_first())
            except (RuntimeError, ConnectionError) as error:
                failure = classify(error)
                if not is_interruption(failure):
                    raise
                print(f"{failure}: {first_line(error)}; {FAILURES[failure].advice}", file=sys.stderr)
                return cli.FAILED
    if record is None:
        raise KeyboardInterrupt
    if is_first():
        collect(study)
        show(record, flags)
    return cli.DONE if record.state == "done" else cli.FAILED


@contextmanager
def held_lock(study: Study, spec: RunSpec) -> Iterator[None]:
    """Hold the lock of a run; of several processes that torchrun started, the first one does. Raises UsageError."""
    if not is_first():
        yield
        return
    folder = study.run_folder(spec.run_id)
    with run_lock(folder) as held:
        if not held:
            raise UsageError(
                f"another process is training {spec.run_id} ({(folder / 'lock').read_text().strip()}); wait for it"
            )
        forget_error(folder)
        yield


def train_with_progress(study: Study, spec: RunSpec, execution: Execution, *, quiet: bool) -> RunRecord | None:
    """Train under a progress bar with ETA; return None where it was asked to stop, by Ctrl-C or SIGTERM."""
    from tqdm import tqdm

    stopping: list[int] = []

    def listen(number: int, _: object) -> None:
        if stopping and not is_rank():  # asked twice: now, not after the step; torchrun passes one request on twice
            raise KeyboardInterrupt
        stopping.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, listen)
    interval = 0.5 if sys.stderr.isatty() else 10
    with tqdm(total=spec.training.steps, unit=" steps", desc=spec.arm, disable=quiet, mininterval=interval) as bar:

        def watch(step: int) -> bool:
            bar.update(step - bar.n)
            return bool(stopping)

        return train_and_record(study, spec, stop=watch, execution=execution)


def show(record: RunRecord, flags: cli.Flags) -> None:
    """Print what came of the run."""
    spec = record.spec
    if flags.json:
        cli.print_json({**spec.to_line(), **{k: v for k, v in to_json(record).items() if k != "spec"}})
    elif record.state == "done":
        print(
            f"{spec.arm} seed {spec.training.seed}: loss {record.loss:.4f} nats/token, {record.bpb:.4f} bits per byte"
        )
        print(f"next: {cli.command('sweep', flags.study)}")
    else:
        print(f"{record.state}: {record.error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
