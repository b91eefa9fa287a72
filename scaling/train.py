"""python -m scaling.train studies/x RUN_ID

Train one run of a study here, in this process, from its newest checkpoint. With --devices W, or started by torchrun,
several processes share its batches.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.execution import Execution
from jobs.failures import FAILURES, classify, is_interruption
from jobs.record import RunRecord, collect, read_record
from jobs.run.end_signals import ENDS
from jobs.run.error_text import first_line, remove_error
from jobs.run.ranks import check_processes, is_first, is_rank
from jobs.run.run_lock import run_lock
from jobs.run.train_one import train_and_record
from planners import RunSpec, Study, UsageError
from planners.records.errors import need_packages
from planners.records.json import to_json
from scaling import cli
from scaling.flags import add_flags

EXAMPLE = "python -m scaling.train studies/x 9493454f655c"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("train", EXAMPLE)
    parser.add_argument("study", help="folder of the study")
    parser.add_argument("run_id", help="run to train; the first digits of its id suffice")
    add_flags(parser, cli.EXECUTION)
    return parser


def act(flags: cli.Flags) -> int:
    """Train the run unless it has a final record, and print the result."""
    study = Study(flags.study)
    spec = cli.find_run(study, flags.run_id)
    execution = cli.execution(flags)
    check_processes(execution, spec.training)
    os.environ["OMP_NUM_THREADS"] = str(spec.training.threads)  # torch reads it once, when it is loaded
    with held_lock(study, spec):
        record = read_record(study, spec)
        if record is None or record.state == "failed":
            need_packages("training", "torch", "submitit")
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
    """Hold the lock of a run; of several processes started by torchrun, only the first one does.

    Raises UsageError if another process trains the run.
    """
    if not is_first():
        yield
        return
    folder = study.run_folder(spec.run_id)
    with run_lock(folder) as held:
        if not held:
            holder = (folder / "lock").read_text().strip()
            raise UsageError(f"another process is training {spec.run_id} ({holder}); wait for it")
        remove_error(folder)
        yield


def train_with_progress(study: Study, spec: RunSpec, execution: Execution, *, quiet: bool) -> RunRecord | None:
    """Train under a progress bar; return None if Ctrl-C or a signal of `ENDS` stopped the run at a checkpoint."""
    from tqdm import tqdm

    stopping: list[int] = []

    def listen(number: int, _: object) -> None:
        # a second signal stops at once, without a checkpoint; but torchrun passes one Ctrl-C on twice
        if stopping and not is_rank():
            raise KeyboardInterrupt
        stopping.append(number)

    # a signal that is ignored, such as SIGHUP under nohup, stays ignored
    others = (number for number in ENDS if signal.getsignal(number) == signal.SIG_DFL)
    for number in {signal.SIGINT, signal.SIGTERM, *others}:
        signal.signal(number, listen)
    interval = 0.5 if sys.stderr.isatty() else 10
    with tqdm(total=spec.training.steps, unit=" steps", desc=spec.arm, disable=quiet, mininterval=interval) as bar:

        def stop(step: int) -> bool:
            bar.update(step - bar.n)
            return bool(stopping)

        return train_and_record(study, spec, stop=stop, execution=execution)


def show(record: RunRecord, flags: cli.Flags) -> None:
    """Print the result of the run."""
    spec = record.spec
    if flags.json:
        cli.print_json({**spec.to_line(), **{k: v for k, v in to_json(record).items() if k != "spec"}})
    elif record.state == "done":
        bpb = "" if record.bpb is None else f", {record.bpb:.4f} bits per byte"
        print(f"{spec.arm} seed {spec.training.seed}: loss {record.loss:.4f} nats/token{bpb}")
        print(f"next: {cli.command('sweep', flags.study)}")
    else:
        print(f"{record.state}: {record.error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(cli.run(act, arguments()))
