"""What is said of the settings in several places says the same everywhere, and in the forms that others expect."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[3]
KINDS = {"string", "integer", "decimal", "boolean", "array", "object", "options", "date_iso8601"}
PLUGINS = {"tap-keap": "extractors", "target-chartmogul": "loaders"}


def test_settings_are_in_step() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts" / "definitions.py", "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, f"{checked.stdout}{checked.stderr}\nrun `make definitions`"


def test_meltano_yml_fits_meltanos_own_schema() -> None:
    schema = json.loads(files("meltano.schemas").joinpath("meltano.schema.json").read_text())
    jsonschema.validate(yaml.safe_load((ROOT / "meltano.yml").read_text()), schema)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_hub_definition_has_what_the_hub_asks_for(plugin: str) -> None:
    text = (ROOT / "plugins" / PLUGINS[plugin] / f"{plugin}.yml").read_text()
    definition = yaml.safe_load(text)
    assert {"name", "namespace", "variant", "quality", "pip_url", "settings", "capabilities"} <= definition.keys()
    assert list(definition) == sorted(definition)
    for setting in definition["settings"]:
        assert list(setting) == sorted(setting)
        assert setting["kind"] in KINDS
        assert setting["description"]
    named = {setting["name"] for setting in definition["settings"]}
    assert all(set(group) <= named for group in definition["settings_group_validation"])


@pytest.mark.parametrize("plugin", PLUGINS)
def test_secrets_are_sensitive(plugin: str) -> None:
    definition = yaml.safe_load((ROOT / "plugins" / PLUGINS[plugin] / f"{plugin}.yml").read_text())
    secrets = {setting["name"] for setting in definition["settings"] if setting.get("sensitive")}
    assert "api_key" in secrets
    if plugin == "tap-keap":
        assert {"client_secret", "refresh_token"} <= secrets


@pytest.mark.parametrize("plugin", PLUGINS)
def test_meltano_adds_the_plugin_from_its_definition(plugin: str, tmp_path: Path) -> None:
    (tmp_path / "meltano.yml").write_text("send_anonymous_usage_stats: false\ncli: {disable_version_check: true}\n")
    definition = ROOT / "plugins" / PLUGINS[plugin] / f"{plugin}.yml"
    added = subprocess.run(
        [
            *(Path(sys.executable).parent / "meltano", "add", "--no-install", plugin),
            *("--plugin-type", PLUGINS[plugin].removesuffix("s"), "--from-ref", definition),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert added.returncode == 0, added.stdout + added.stderr
    project = yaml.safe_load((tmp_path / "meltano.yml").read_text())
    assert [each["name"] for each in project["plugins"][PLUGINS[plugin]]] == [plugin]
