"""Generated tasks: chains of rules whose answers follow from the question (`jobs.corpora.tasks`)."""

from jobs.corpora.generated import GeneratedStore, written
from jobs.corpora.readers.reader import Generator
from jobs.corpora.tasks import TASKS, Options, task_of
from planners.records.registry import look_up


def store(name: str, **options: str) -> GeneratedStore:
    """Return the store of a task. Raises UsageError for an unknown task, and for options that it cannot have."""
    look_up(TASKS, name, "task")
    key = f"{name},{Options.parsed(options).key}"
    return written(f"task:{key}", f"task:{key}", task_of(key))


GENERATOR = Generator(example="tasks", store=store, language=task_of, options=tuple(Options.__dataclass_fields__))
