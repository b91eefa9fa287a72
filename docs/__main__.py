"""Write the pages of docs/ that follow from the code: python -m docs"""

from collections.abc import Callable, Mapping
from pathlib import Path

from docs import write_api, write_commands, write_engines, write_files

HERE = Path(__file__).parent
WRITTEN: Mapping[str, Callable[[], str]] = {
    "api.md": write_api.page,
    "commands.md": write_commands.page,
    "engines.md": write_engines.page,
    "files.md": write_files.page,
}
"""Page -> its writer."""

if __name__ == "__main__":
    for name, page in WRITTEN.items():
        (HERE / name).write_text(page())
