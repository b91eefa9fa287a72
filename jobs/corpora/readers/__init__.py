"""The readers of corpora: a new kind is one file here with a `READER` (or `GENERATOR`), and one line of READERS."""

from jobs.corpora.readers import hub, stdlib, synthetic, text
from jobs.corpora.readers.reader import Generator, Reader

READERS: dict[str, Reader | Generator] = {
    "stdlib": stdlib.READER,
    "text": text.READER,
    "hf": hub.READER,
    "synthetic": synthetic.GENERATOR,
}
"""By the word before the colon in the name of a corpus."""
