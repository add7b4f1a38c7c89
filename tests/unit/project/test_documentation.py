"""What README and docs name exists: commands, settings, jobs; the repository's own files are valid."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from target_chartmogul import exit_codes
from target_chartmogul.cli import command

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
PACKAGES = ("tap-keap", "target-chartmogul")
TEXTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / package / "README.md" for package in PACKAGES),
        ROOT / "plugins" / "README.md",
    )
}
MELTANO = yaml.safe_load((ROOT / "meltano.yml").read_text())
PLUGINS = {each["name"]: each for plugins in MELTANO["plugins"].values() for each in plugins}
SHOWN = {"tap-shop", "target-postgres", "target-duckdb", "target-jsonl"}
"""Of others, in examples."""


def settings_of(plugin: str) -> set[str]:
    return {each["name"].split(".")[0] for each in PLUGINS[plugin]["settings"]}


@pytest.mark.parametrize("path", sorted(TEXTS))
def test_commands_that_are_named_exist(path: str) -> None:
    named = re.findall(r"target-chartmogul[: ]([a-z]+)(?= |`|$)", "\n".join(_code(TEXTS[path])), re.MULTILINE)
    assert set(named) <= set(command().commands)


@pytest.mark.parametrize("path", sorted(TEXTS))
def test_variables_that_are_named_are_settings(path: str) -> None:
    for prefix, plugin in (("TAP_KEAP_", "tap-keap"), ("TARGET_CHARTMOGUL_", "target-chartmogul")):
        named = {each.lower() for each in re.findall(rf"\b{prefix}([A-Z_]+)\b", TEXTS[path])}
        assert named <= settings_of(plugin) | {"loglevel"}


@pytest.mark.parametrize("path", sorted(TEXTS))
def test_jobs_and_targets_of_make_that_are_named_exist(path: str) -> None:
    code = "\n".join(_code(TEXTS[path]))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|[ (])make ([a-z-]+)", code, re.MULTILINE)) <= targets
    known = {each["name"] for each in MELTANO["jobs"]} | set(PLUGINS) | SHOWN
    for words in re.findall(r"meltano run((?: +[a-z][a-z-]*)+)", code):
        assert set(words.split()) <= known


@pytest.mark.parametrize("path", sorted(TEXTS))
def test_exit_codes_that_are_named_exist(path: str) -> None:
    assert {int(each) for each in re.findall(r"exit code (\d+)", TEXTS[path])} <= {5, *exit_codes.MEANINGS}


def test_the_packages_have_one_version_and_the_changelog_has_the_usual_form() -> None:
    versions = {
        tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]["version"] for package in PACKAGES
    }
    assert len(versions) == 1
    headings = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", TEXTS["CHANGELOG.md"], re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert set(re.findall(r"^### (.+)$", TEXTS["CHANGELOG.md"], re.MULTILINE)) <= {
        *("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
    }


LINTERS = {
    "workflows": ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", ".github/workflows/*.yml"],
    "dependabot": ["check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml"],
    "issue forms": [
        *("check-jsonschema", "--builtin-schema", "vendor.github-issue-forms"),
        *(".github/ISSUE_TEMPLATE/problem.yml", ".github/ISSUE_TEMPLATE/answer.yml"),
    ],
    "zizmor": ["zizmor", "--offline", "--quiet", ".github"],
    "yaml": ["yamllint", "--strict", ".github", ".pre-commit-config.yaml", "meltano.yml", "deploy"],
}


@pytest.mark.parametrize("name", LINTERS)
def test_the_files_of_the_repository_pass_their_linters(name: str) -> None:
    program, *arguments = LINTERS[name]
    files = [str(path) for each in arguments for path in (sorted(ROOT.glob(each)) if "*" in each else [each])]
    done = subprocess.run([BIN / program, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rehearsal_is_a_job_that_cannot_write() -> None:
    (job,) = [each for each in MELTANO["jobs"] if each["name"] == "rehearsal"]
    (task,) = job["tasks"]
    loader = PLUGINS[task.split()[-1]]
    assert loader["inherit_from"] == "target-chartmogul"
    # What the plugin itself sets comes before the variables of the one that it inherits from.
    shown = subprocess.run(
        [BIN / "meltano", "--log-level=error", "--environment=sandbox", "config", "print", loader["name"]],
        cwd=ROOT,
        env=os.environ | {"TARGET_CHARTMOGUL_DRY_RUN": "false", "TARGET_CHARTMOGUL_API_KEY": "key"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(shown.stdout)["dry_run"] is True


def test_make_clean_keeps_what_cannot_be_made_again(tmp_path: Path) -> None:
    kept = [
        ".env",
        ".meltano/meltano.db",
        "output/prod/store.sqlite",
        "output/prod/report.html",
        "output/main/report.json",
    ]
    gone = [
        ".venv/bin/python",
        ".meltano/loaders/target-chartmogul/x",
        "output/sandbox/store.sqlite",
        "site/index.html",
    ]
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "--quiet", "-f", ROOT / "Makefile", "clean"], cwd=tmp_path, check=True)
    assert [name for name in kept if not (tmp_path / name).exists()] == []
    assert [name for name in gone if (tmp_path / name).exists()] == []


def _code(text: str) -> list[str]:
    """Fenced blocks and code in the text."""
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [*fenced, *re.findall(r"`([^`\n]+)`", rest)]
