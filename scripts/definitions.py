"""Write the plugins' settings wherever they are repeated, from their own `--about`.

`meltano.yml`, `plugins/*/*.yml` (Meltano Hub definitions), the tables in the READMEs and `.env.example` all say what
the code says; `--check` only compares and exits with 1 where something is out of step.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PLUGINS = {"tap-keap": "extractors", "target-chartmogul": "loaders"}
# Meltano's own schema of meltano.yml knows fewer capabilities of loaders than its Hub does.
NOT_FOR_MELTANO_YML = {"validate-records", "target-schema"}
# The SDK's own settings come behind the plugin's.
BUILT_IN = re.compile(
    r"(stream_map|faker|flattening|batch_config|add_record_metadata|load_method$|validate_records|batch_size_rows|batch_wait)"
)


def about(plugin: str) -> dict[str, Any]:
    """The plugin's description of itself, as JSON."""
    output = subprocess.run(
        [BIN / plugin, "--about", "--format=json"], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout
    described: dict[str, Any] = json.loads(output)
    return described


def settings_of(description: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Settings with their JSON schemas, nested objects spelled out with dots, the plugin's own first."""
    found: list[tuple[str, dict[str, Any]]] = []

    def collect(prefix: str, schema: dict[str, Any]) -> None:
        for name, each in schema.get("properties", {}).items():
            if each.get("properties"):
                collect(f"{prefix}{name}.", each)
            else:
                found.append((prefix + name, each))

    collect("", description["settings"])
    return sorted(found, key=lambda pair: bool(BUILT_IN.match(pair[0])))


def kind_of(schema: dict[str, Any]) -> str:
    """Meltano's kind for a JSON schema type."""
    types = schema.get("type", [])
    types = {types} if isinstance(types, str) else set(types)
    if schema.get("enum"):
        return "options"
    for json_type, kind in (
        ("object", "object"),
        ("array", "array"),
        ("boolean", "boolean"),
        ("integer", "integer"),
        ("number", "decimal"),
    ):
        if json_type in types:
            return kind
    return "date_iso8601" if schema.get("format") in {"date-time", "date"} else "string"


def label_of(name: str) -> str:
    """`api_url` → `API URL`."""
    words = name.replace(".", " ").replace("_", " ").split()
    known = {"api": "API", "url": "URL", "id": "ID", "uuid": "UUID"}
    return " ".join(known.get(word, word.capitalize()) for word in words)


def setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """One entry of `settings` in a plugin definition."""
    entry: dict[str, Any] = {
        "description": " ".join(str(schema.get("description", "")).split()),
        "kind": kind_of(schema),
        "label": schema.get("title") or label_of(name),
        "name": name,
    }
    if entry["kind"] == "options":
        entry["options"] = [{"label": str(value), "value": value} for value in schema["enum"] if value is not None]
    if schema.get("secret") or schema.get("writeOnly"):
        entry["sensitive"] = True
    if schema.get("default") is not None:
        entry["value"] = schema["default"]
    return {key: entry[key] for key in sorted(entry)}


GROUPS = {
    "tap-keap": [
        ["api_key"],
        ["client_id", "client_secret", "token_path"],
        ["client_id", "client_secret", "refresh_token"],
    ],
    "target-chartmogul": [["api_key"]],
}


def dump(value: Any) -> str:
    """YAML as the Hub lints it: block style, no wrapping of long texts."""
    text: str = yaml.safe_dump(value, sort_keys=False, default_flow_style=False, allow_unicode=True, width=10_000)
    return text


def commands_of(plugin: str) -> dict[str, Any]:
    """The plugin's subcommands as Meltano's `commands`: their settings come from the environment that it makes."""
    if plugin != "target-chartmogul":
        return {}
    from target_chartmogul.cli import command  # noqa: PLC0415

    found = {
        name: {"args": f"{name} --config ENV", "description": each.get_short_help_str(limit=200).rstrip(".")}
        for name, each in sorted(command().commands.items())
    }
    return {"commands": found}


def meltano_block(plugin: str, description: dict[str, Any]) -> str:
    """Capabilities, commands and settings for `meltano.yml`."""
    capabilities = sorted(set(description["capabilities"]) - NOT_FOR_MELTANO_YML)
    body = {
        "capabilities": capabilities,
        **commands_of(plugin),
        "settings_group_validation": GROUPS[plugin],
        "settings": [setting(name, schema) for name, schema in settings_of(description)],
    }
    return "".join(f"    {line}\n" for line in dump(body).splitlines())


def between(text: str, start: str, end: str, body: str) -> str:
    """`text` with `body` between the line that holds `start` and the next one that holds `end`."""
    pattern = re.compile(
        rf"(?P<a>^[^\n]*{re.escape(start)}[^\n]*\n).*?(?P<z>^[^\n]*{re.escape(end)}[^\n]*$)", re.DOTALL | re.MULTILINE
    )
    replaced, count = pattern.subn(lambda found: found["a"] + body + found["z"], text, count=1)
    if not count:
        raise SystemExit(f"no lines with {start!r} … {end!r}")
    return replaced


HUB: dict[str, dict[str, Any]] = {
    "tap-keap": {
        "description": "Small business CRM, sales and marketing automation (formerly Infusionsoft)",
        "domain_url": "https://keap.com/",
        "keywords": ["meltano_sdk"],
        "label": "Keap",
        "name": "tap-keap",
        "namespace": "tap_keap",
        "pip_url": "tap-keap",
        "quality": "unknown",
        "variant": "keap-to-chartmogul",
    },
    "target-chartmogul": {
        "description": "Subscription analytics: MRR, churn, trials",
        "domain_url": "https://chartmogul.com/",
        "keywords": ["meltano_sdk"],
        "label": "ChartMogul",
        "name": "target-chartmogul",
        "namespace": "target_chartmogul",
        "pip_url": "target-chartmogul",
        "quality": "unknown",
        "variant": "keap-to-chartmogul",
    },
}


def hub_definition(plugin: str, description: dict[str, Any]) -> str:
    """A plugin definition as Meltano Hub holds them: keys sorted, lists not indented."""
    body = HUB[plugin] | {
        "capabilities": sorted(description["capabilities"]),
        **commands_of(plugin),
        "executable": plugin,
        "maintenance_status": "active",
        "settings": [setting(name, schema) for name, schema in settings_of(description)],
        "settings_group_validation": GROUPS[plugin],
    }
    return dump({key: body[key] for key in sorted(body)})


def table(description: dict[str, Any]) -> str:
    """A Markdown table of the settings."""
    rows = ["| setting | default | what it does |", "|---|---|---|"]
    for name, schema in settings_of(description):
        default = schema.get("default")
        shown = "" if default is None else f"`{json.dumps(default) if not isinstance(default, str) else default}`"
        text = " ".join(str(schema.get("description", "")).split()).replace("|", "\\|")
        choices = [str(value) for value in schema.get("enum", []) if value is not None]
        if choices and not all(f"`{choice}`" in text for choice in choices):
            text += " One of " + ", ".join(f"`{choice}`" for choice in choices) + "."
        rows.append(
            f"| `{name}`{' (secret)' if schema.get('secret') or schema.get('writeOnly') else ''} | {shown} | {text} |"
        )
    return "\n".join(rows) + "\n"


def exit_codes(plugin: str) -> str:
    """A Markdown table of the plugin's exit codes, from the file that declares them."""
    module = importlib.import_module(f"{plugin.replace('-', '_')}.exit_codes")
    if hasattr(module, "MEANINGS"):
        head, rows = ["code", "meaning", "what to do"], [(code, *text) for code, text in module.MEANINGS.items()]
    else:
        head, rows = ["code", "meaning"], [(code.value, code.meaning) for code in module.ExitCode]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def env_block(plugin: str, description: dict[str, Any]) -> str:
    """Environment variables of the settings that are secrets, or that every user looks at first."""
    first = {"data_source_name", "start_date", "store_path", "report_path", "token_path", "client_id"}
    lines = []
    for name, schema in settings_of(description):
        if schema.get("secret") or schema.get("writeOnly") or name in first:
            text = " ".join(str(schema.get("description", "")).split()).split(". ")[0].rstrip(".")
            lines.append(f"# {text}\n# {plugin.replace('-', '_').upper()}_{name.upper()}=\n")
    return "".join(lines)


def outputs() -> dict[Path, str]:
    """Every generated file with its content."""
    described = {plugin: about(plugin) for plugin in PLUGINS}
    files: dict[Path, str] = {}
    meltano = (ROOT / "meltano.yml").read_text()
    environment = (ROOT / ".env.example").read_text()
    for plugin, folder in PLUGINS.items():
        meltano = between(
            meltano, f"generated by `make definitions`: {plugin}", "# end", meltano_block(plugin, described[plugin])
        )
        environment = between(
            environment, f"generated by `make definitions`: {plugin}", "# end", env_block(plugin, described[plugin])
        )
        files[ROOT / "plugins" / folder / f"{plugin}.yml"] = hub_definition(plugin, described[plugin])
        readme = ROOT / plugin / "README.md"
        text = between(readme.read_text(), "<!-- settings:", "<!-- end of settings", table(described[plugin]))
        if "<!-- exit codes:" in text:
            text = between(text, "<!-- exit codes:", "<!-- end of exit codes", exit_codes(plugin))
        files[readme] = text
    files[ROOT / "meltano.yml"] = meltano
    files[ROOT / ".env.example"] = environment
    return files


def main() -> int:
    """Write, or with `--check` compare; 1 if something was out of step."""
    stale = [(path, text) for path, text in outputs().items() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        print(f"{'out of step' if '--check' in sys.argv else 'written'}: {path.relative_to(ROOT)}")
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
