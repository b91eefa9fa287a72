"""Generated tasks: each is one small file with a table of rules, and one line of `TASKS`.

task_of("arith,values=8").read_aloud(0)
"""

from jobs.corpora.tasks.arith import Arith
from jobs.corpora.tasks.chains import Options, Task
from jobs.corpora.tasks.code import Code
from jobs.corpora.tasks.entail import Entail
from jobs.corpora.tasks.logic import Logic
from planners.records.registry import look_up

TASKS: dict[str, type[Task]] = {"arith": Arith, "logic": Logic, "code": Code, "entail": Entail}
"""Tasks by name."""


def task_of(key: str) -> Task:
    """Return the task NAME[,OPTION=VALUE…]. Raises UsageError for an unknown task or an option it cannot have."""
    name, *options = key.split(",")
    texts = dict(option.partition("=")[::2] for option in options)
    return look_up(TASKS, name, "task")(Options.parsed(texts))


__all__ = ["TASKS", "Options", "Task", "task_of"]
