"""Weights in the format of safetensors: the length of a JSON header, the header, and the bytes of all arrays."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from planners.records.files import write_with

DTYPES = {"float32": "F32", "float64": "F64", "int64": "I64"}
"""Type of numpy -> name in the header."""


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays, atomically; readers are those of the library safetensors."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        entry = {"dtype": DTYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": [start, end]}
        header[name] = entry  # type: ignore[assignment]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # arrays start at a multiple of 8

    def write(file) -> None:  # type: ignore[no-untyped-def]
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())

    write_with(path, write)
