"""The readers of corpora: a new kind is one file here with a `READER` (or `GENERATOR`), and one line of READERS."""

from jobs.corpora.generated import Language
from jobs.corpora.readers import hub, prose, stdlib, synthetic, task, text
from jobs.corpora.readers.reader import Generator, Reader

READERS: dict[str, Reader | Generator] = {
    "stdlib": stdlib.READER,
    "prose": prose.READER,
    "text": text.READER,
    "hf": hub.READER,
    "synthetic": synthetic.GENERATOR,
    "task": task.GENERATOR,
}
"""By the word before the colon in the name of a corpus."""


def language_of(key: str) -> Language:
    """Return the language that the manifest of a generated domain names: a task with a colon, else a synthetic one."""
    kind, colon, argument = key.partition(":")
    return task.GENERATOR.language(argument) if colon else synthetic.GENERATOR.language(kind)
