"""Changes the processes of a job for a test: with this folder in PYTHONPATH, every Python loads this module first.

TRACE=FILE      append a line for each step, checkpoint and record of a run
STEP_S=SECONDS  sleep this long in each step, until the job is requeued
NO_STEP=1       take no real step: a run trains in milliseconds, for tests of thousands of runs
"""

import os
import sys
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


def trace(event: str, run_id: str, step: int = 0) -> None:
    """Append a line in one short write, which no write of another process can tear."""
    if os.environ.get("TRACE"):
        with open(os.environ["TRACE"], "a") as file:
            file.write(f"{event} {run_id} {step}\n")


def change_loop(loop: ModuleType) -> None:
    """Trace what a run does, and slow down its steps."""
    take, save, write_record = loop.Stepper.take, loop.checkpoint.save, loop.write_record

    def slow_take(self: Any, step: int, batch: Any, window: Any, **how: Any) -> None:
        if os.environ.get("RANK", "0") == "0" and not os.environ.get("NO_STEP"):
            trace("step", self.run_id, step)
        if "SLURM_RESTART_COUNT" not in os.environ:
            time.sleep(float(os.environ.get("STEP_S", "0")))
        if os.environ.get("NO_STEP"):
            window.steps += 1
            window._add("loss", batch.new_ones((), dtype=float))
        else:
            take(self, step, batch, window, **how)

    def traced_save(folder: Any, step: int, run_id: str, state: Any) -> None:
        save(folder, step, run_id, state)
        trace("save", run_id, step)

    def traced_record(study: Any, record: Any) -> None:
        write_record(study, record)
        trace("record", record.spec.run_id, record.D_seen)

    build = loop.Stepper.__init__

    def named_build(self: Any, model: Any, spec: Any, *args: Any, **kwargs: Any) -> None:
        self.run_id = spec.run_id
        build(self, model, spec, *args, **kwargs)

    loop.Stepper.__init__, loop.Stepper.take = named_build, slow_take
    loop.checkpoint.save, loop.write_record = traced_save, traced_record


class Changes(MetaPathFinder, Loader):
    """Loads a module as usual and changes it right after."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Find only the module of the training loop."""
        if name != "jobs.training.loop":
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None:
            self.loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create it as usual."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute it, then change it."""
        self.loader.exec_module(module)
        change_loop(module)


sys.meta_path.insert(0, Changes())
