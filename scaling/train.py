"""python -m scaling.train studies/x RUN_ID

Train one run of a study here, in this process, from its newest checkpoint.
"""

import os
import signal
import sys
from collections.abc import Sequence

from jobs.record import collect, read_record
from jobs.worker import run_lock, train_and_record
from planners import Study, UsageError
from planners.records import to_json
from scaling import cli

EXAMPLE = "python -m scaling.train studies/x 9493454f655c"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("train", EXAMPLE)
    parser.add_argument("study", help="folder of the study")
    parser.add_argument("run_id", help="run to train; its first digits are enough")
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
    spec, folder = found[0], study.run_folder(found[0].run_id)
    os.environ["OMP_NUM_THREADS"] = str(spec.training.threads)
    stopping: list[int] = []

    def listen(number: int, _: object) -> None:
        if stopping:  # asked twice: now, not after the step
            raise KeyboardInterrupt
        stopping.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, listen)
    with run_lock(folder) as held:
        if not held:
            raise UsageError(
                f"another process is training {spec.run_id} ({(folder / 'lock').read_text().strip()}); wait for it"
            )
        from tqdm import tqdm

        record = read_record(study, spec)
        if record is None or record.state == "failed":
            with tqdm(
                total=spec.training.steps,
                unit=" steps",
                desc=spec.arm,
                disable=flags.json,
                mininterval=0.5 if sys.stderr.isatty() else 10,
            ) as bar:

                def watch(step: int) -> bool:
                    bar.update(step - bar.n)
                    return bool(stopping)

                record = train_and_record(study, spec, stop=watch)
    if record is None:
        raise KeyboardInterrupt
    collect(study)
    if flags.json:
        cli.print_json({**spec.to_line(), **{k: v for k, v in to_json(record).items() if k != "spec"}})
    elif record.state == "done":
        print(
            f"{spec.arm} seed {spec.training.seed}: loss {record.loss:.4f} nats/token, {record.bpb:.4f} bits per byte"
        )
        print(f"next: {cli.command('sweep', study.folder)}")
    else:
        print(f"{record.state}: {record.error}", file=sys.stderr)
    return cli.DONE if record.state == "done" else cli.FAILED


if __name__ == "__main__":
    sys.exit(main())
