"""One line in a mapping adds a thing: a preset, recipe, family, device, convention or table added here is found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from planners.architecture.devices import DEVICES
from planners.architecture.flops import CONVENTIONS
from planners.formats import FAMILIES
from planners.presets import PRESETS
from planners.published import PUBLISHED
from planners.recipes import RECIPES
from planners.records.errors import UsageError
from planners.records.registry import look_up

ADDED = {
    "preset": """
from planners.presets import PRESETS, preset
from dataclasses import replace
PRESETS["throw-away"] = lambda: replace(preset("smoke"), top_ks=(0, 2))
""",
    "recipe": """
from planners.recipes import RECIPES, Recipe
RECIPES["throw-away"] = Recipe(rule=lambda shape, D, C: (0.5, 512.0))
""",
    "convention": """
from planners.architecture.flops import CONVENTIONS, Convention
CONVENTIONS["throw-away"] = Convention(excluded=("router", "head"))
""",
    "device": """
from planners.architecture.devices import DEVICES, Device
DEVICES["throw-away"] = Device(driver="none", memory=8e9, peak_bf16=1e13, source="this test")
""",
    "family": """
from planners.formats import FAMILIES, llama
FAMILIES["throw_away"] = llama.FAMILY
""",
}
"""What a new file and its line in a registry do."""


def run(added: str, *command: str) -> dict:
    """Return the JSON that a command prints after something was added to a registry."""
    code = f"{ADDED[added]}\nimport sys; from scaling import cli; sys.exit(cli.main({[*command, '--json']!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


SMOKE = ("plan", "--preset", "smoke", "--data", "none")


def test_an_added_preset_is_planned() -> None:
    runs = run("preset", "plan", "--preset", "throw-away", "--data", "none")["runs"]
    assert [line["arm"] for line in runs] == ["dense", "K2"]


def test_an_added_recipe_decides_the_learning_rate() -> None:
    runs = run("recipe", *SMOKE, "--recipe", "throw-away")["runs"]
    assert {(line["lr"], line["batch_tokens"], line["recipe"]) for line in runs} == {(0.5, 512, "throw-away")}


def test_an_added_convention_decides_C() -> None:
    runs = run("convention", *SMOKE, "--flops", "throw-away")["runs"]
    assert all(line["C"] == line["D"] * line["flops_per_token"]["throw-away"] for line in runs)


def test_an_added_device_is_forecast() -> None:
    assert run("device", *SMOKE, "--device", "throw-away")["runs"]


def test_a_model_of_an_added_family_is_counted(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "throw_away", "num_hidden_layers": 2}))
    assert run("family", "count", str(tmp_path / "config.json"))["N"] > 0


@pytest.mark.parametrize("registry", [CONVENTIONS, DEVICES, FAMILIES, PRESETS, PUBLISHED, RECIPES])
def test_an_unknown_name_lists_the_known_ones(registry: dict) -> None:
    with pytest.raises(UsageError, match=f"thing 'nothing' is not one of {next(iter(registry))}"):
        look_up(registry, "nothing", "thing")
