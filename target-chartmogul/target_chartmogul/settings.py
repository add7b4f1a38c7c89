"""The settings of `target-chartmogul`, each declared once, and what becomes of a user's configuration.

Those of the mapping are declared where they act, in `sources/keap/settings.py`.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec

from target_chartmogul.failures import ConfigurationError
from target_chartmogul.settings_schema import About, properties_of
from target_chartmogul.sources.keap.ids import is_keap_id
from target_chartmogul.sources.keap.settings import MappingSettings, is_zone

API_URL = "https://api.chartmogul.com/v1"

SDK_SETTINGS = frozenset({"stream_maps", "stream_map_config", "faker_config", "validate_records"})
_ENVIRONMENT = "TARGET_CHARTMOGUL_"
_ID_LISTS = (
    "exclude_contact_tags",
    "include_contact_tags",
    "exclude_products",
    "one_time_products",
    "only_contacts",
    "email_fields",
    "non_cash_payment_types",
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A whole configuration, checked. `api_key` never appears in a message or a log."""

    api_key: Annotated[str, About("ChartMogul API key with read & write access.", title="API key", secret=True)]
    api_url: Annotated[
        str, About("Base URL of ChartMogul's API. Must be https; http is accepted for loopback only.")
    ] = API_URL
    data_source_name: Annotated[str, About("Data source to write into; created if there is none of this name.")] = (
        "Keap"
    )
    data_source_uuid: Annotated[
        str | None, About("Data source to write into, by uuid; it must exist. Wins over the name.")
    ] = None
    external_id_prefix: Annotated[str, About("Stands before every external id that this target forms (rule 2.2).")] = ""
    store_path: Annotated[
        str | None,
        About(
            "Where the store is kept between runs: a local path or a URL such as s3://bucket/store.sqlite. "
            "It holds the records of Keap and what ChartMogul has of them, with names and e-mail addresses. "
            "Without it no state is emitted and every run reads Keap whole (rule 1.6)."
        ),
    ] = None
    relist_days: Annotated[
        float,
        About(
            "List ChartMogul's content again when the last listing is older than so many days, to find what "
            "people changed there (rule 1.11).",
            minimum=0,
        ),
    ] = 7
    exit_code_file: Annotated[
        str | None,
        About(
            "Write the exit code into this local file when the run ends, since `meltano run` replaces it by its own."
        ),
    ] = None
    report_path: Annotated[
        str | None,
        About("Path or URL of the report of the run, as JSON; the same as a page lies beside it (rule 7.1)."),
    ] = None
    dry_run: Annotated[
        bool, About("Report what would be written, and write nothing, not even the store (rules 1.9, 7.3).")
    ] = False
    force: Annotated[bool, About("Carry out a plan that a guard would stop (rule 1.7).")] = False
    max_delete_share: Annotated[
        float,
        About(
            "A run that would delete a larger share of the objects of a kind stops before its first write (rule 1.7).",
            minimum=0,
            maximum=1,
        ),
    ] = 0.05
    on_churn_setting_mismatch: Annotated[
        str,
        About(
            "What to do if the account's churn recognition is not the time of cancellation (§0 a).",
            choices=("warn", "fail", "ignore"),
        ),
    ] = "warn"
    accepted_rejects: Annotated[
        frozenset[str],
        About(
            "Records that may be rejected without the exit code of a run with rejects, e.g. orders:123 (rule 1.5).",
            pattern="^[a-z_]+:.+$",
        ),
    ] = frozenset()
    max_run_minutes: Annotated[
        float | None,
        About(
            "Stop cleanly after so many minutes of work on a complete input, and continue in the next run (§8).",
            minimum=0,
        ),
    ] = None
    request_timeout: Annotated[
        float, About("Seconds to wait for an answer of ChartMogul's before a request is tried again.", minimum=1)
    ] = 60.0
    load_method: Annotated[
        str,
        About(
            "How customers that ChartMogul does not have yet are written: in bulk (from 500 on), singly, "
            "always in bulk.",
            choices=("auto", "single", "bulk"),
        ),
    ] = "auto"
    now: Annotated[
        datetime | None, About("Clock of the run (ISO 8601), for rehearsals and tests. Default: the machine's clock.")
    ] = None
    mapping: MappingSettings = MappingSettings()

    def __repr__(self) -> str:
        """Without the key: a struct that reaches a log or a traceback must not show it."""
        return f"Settings(data_source_name={self.data_source_name!r}, api_url={self.api_url!r})"


PROPERTIES: Final[dict[str, dict[str, Any]]] = {**properties_of(Settings), **properties_of(MappingSettings)}
"""JSON schema of each setting, in the order in which `--about` and the README show them."""
CONFIG_SCHEMA: Final[dict[str, Any]] = {"type": "object", "properties": dict(PROPERTIES), "required": ["api_key"]}


def _as_number(name: str, value: Any) -> Any:
    """A number that came as a text from an environment variable, or as a Decimal from the SDK's reader of JSON."""
    kind = PROPERTIES.get(name, {}).get("type")
    if not isinstance(value, str | Decimal) or kind not in {"number", "integer"}:
        return value
    try:
        return int(value) if kind == "integer" and isinstance(value, str) else float(value)
    except ValueError:
        return value


def load(config: Mapping[str, Any], *, needs_key: bool = True) -> Settings:
    """Check a configuration and turn it into `Settings`.

    Args:
        config: settings by name, as the user wrote them; empty texts and nulls count as not set.
        needs_key: `api_key` must be there; without, it is empty in what works from the store alone.

    Raises:
        ConfigurationError: an unknown name (with the nearest known one), a wrong type, a value that is not one of
            the allowed, a zone or date that does not exist, or a URL that is neither https nor loopback.
    """
    given = {name: _as_number(name, value) for name, value in config.items() if value is not None and value != ""}
    _refuse_unknown(given)
    for name, value in given.items():
        if name in PROPERTIES:
            _check_type(name, value)
    if needs_key and not given.get("api_key"):
        raise ConfigurationError("setting `api_key` is missing: ChartMogul's API key, with read & write access")
    _check_url(given.get("api_url", API_URL))
    own = {name: given[name] for name in Settings.__struct_fields__ if name in given and name != "mapping"}
    own.setdefault("api_key", "")
    if "now" in own:
        own["now"] = _instant("now", own["now"])
    own["accepted_rejects"] = frozenset(str(each) for each in own.get("accepted_rejects", ()))
    own["api_url"] = str(own.get("api_url", API_URL)).rstrip("/")
    return Settings(**own, mapping=_mapping(given))


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse environment variables that look like settings and are none, such as `TARGET_CHARTMOGUL_DRYRUN`.

    Nobody reads them, neither this target nor Meltano: a rehearsal would be a real run. What Meltano sets beside the
    settings passes: its own extras (`TARGET_CHARTMOGUL__DIALECT`), an object's values one by one
    (`TARGET_CHARTMOGUL_CUSTOMER_TAGS_12`), and all of it again for a plugin that inherits
    (`TARGET_CHARTMOGUL_EU_API_KEY`).

    Raises:
        ConfigurationError: naming the variable, and the setting that was probably meant.
    """
    names = [name.upper() for name in [*PROPERTIES, *SDK_SETTINGS, "loglevel"]]
    objects = [name.upper() for name, each in PROPERTIES.items() if each["type"] == "object"]
    nested = tuple(f"{name}_" for name in [*objects, "STREAM_MAPS", "STREAM_MAP_CONFIG", "FAKER_CONFIG"])
    for variable in sorted(environment):
        rest = variable.removeprefix(_ENVIRONMENT)
        if rest == variable or rest in names or "__" in f"_{rest}" or rest.startswith(nested):
            continue
        if rest.endswith(tuple(f"_{name}" for name in names)) or any(f"_{name}" in rest for name in nested):
            continue
        near = difflib.get_close_matches(rest, names, n=1)
        hint = f"; did you mean `{_ENVIRONMENT}{near[0]}`?" if near else "; see `target-chartmogul --about`"
        raise ConfigurationError(f"the environment variable `{variable[:100]}` is not a setting{hint}")


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    known = sorted({*PROPERTIES, *SDK_SETTINGS})
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else "; see `target-chartmogul --about`"
            raise ConfigurationError(f"unknown setting `{str(name)[:64]}`{hint}")


def _check_type(name: str, value: Any) -> None:
    """The message names the setting and what it takes, never the value: it might be a secret in the wrong place."""
    schema = PROPERTIES[name]
    if not _fits(schema, value):
        raise ConfigurationError(f"setting `{name}` must be {_wanted(schema)}")
    limits = (schema.get("minimum"), schema.get("maximum"))
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = limits
        if (low is not None and value < low) or (high is not None and value > high):
            span = f"between {low} and {high}" if high is not None else f"{low} or more"
            raise ConfigurationError(f"setting `{name}` must be {span}")


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    for kind in kinds:
        if kind == "string" and isinstance(value, str):
            return value in schema.get("enum", (value,))
        if kind == "boolean" and isinstance(value, bool):
            return True
        if kind == "integer" and isinstance(value, int) and not isinstance(value, bool):
            return True
        if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
            return True
        if kind == "array" and isinstance(value, list | tuple):
            return all(_fits(schema["items"], each) for each in value)
        if kind == "object" and isinstance(value, dict):
            inner = schema.get("additionalProperties")
            return not isinstance(inner, dict) or all(_fits(inner, each) for each in value.values())
    return False


def _wanted(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(f"`{each}`" for each in schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    words = {
        "string": "a text",
        "boolean": "true or false",
        "integer": "a whole number",
        "number": "a number",
        "array": "a list",
        "object": "an object",
    }
    text = " or ".join(words[kind] for kind in kinds)
    if "array" in kinds:
        text += f", each entry {_wanted(schema['items'])}"
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict):
        text += f", each value {_wanted(inner)}"
    return text


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and _is_loopback(parts.hostname):
        return
    raise ConfigurationError("setting `api_url` must be an https address (http is accepted for loopback only)")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _mapping(given: Mapping[str, Any]) -> MappingSettings:
    values: dict[str, Any] = {name: given[name] for name in MappingSettings.__struct_fields__ if name in given}
    for name in ("date_timezone", "keap_timezone"):
        if name in values:
            _check_zone(name, values[name])
    for name in _ID_LISTS:
        if name in values:
            values[name] = tuple(str(each) for each in values[name])
    if not all(map(is_keap_id, values.get("only_contacts", ()))):
        raise ConfigurationError(
            "setting `only_contacts` must be a list of Keap's contact ids, which are whole numbers"
        )
    if "plan_change_products" in values:
        values["plan_change_products"] = tuple(
            tuple(str(each) for each in group) for group in values["plan_change_products"]
        )
    for name in ("customer_tags", "customer_attributes", "cancellation_overrides"):
        if name in values:
            values[name] = {str(key): str(value) for key, value in values[name].items()}
    for subscription, override in values.get("cancellation_overrides", {}).items():
        if override != "none":
            _day(f"cancellation_overrides.{subscription}", override)
    if "invoices_since" in values:
        _instant("invoices_since", values["invoices_since"])
    if "currency" in values:
        values["currency"] = _currency(values["currency"])
    return MappingSettings(**values)


def _check_zone(name: str, value: str) -> None:
    if not is_zone(value):
        raise ConfigurationError(f"setting `{name}`: no such time zone; e.g. `Europe/Berlin`, `UTC`")


def _day(name: str, value: str) -> None:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise ConfigurationError(f"setting `{name}` must be `none` or a date like 2026-03-31") from None


def _instant(name: str, value: str) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise ConfigurationError(f"setting `{name}` must be a date or time like 2026-03-31T08:00:00Z") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _currency(value: str) -> str:
    from target_chartmogul.billing import money  # noqa: PLC0415 - a run without the setting starts sooner

    code = value.strip().upper()
    try:
        money.minor_units(code)
    except money.UnknownCurrencyError:
        raise ConfigurationError("setting `currency` must be an ISO 4217 code like USD") from None
    return code


def changed_from_defaults(settings: MappingSettings) -> dict[str, Any]:
    """Those that differ from their defaults, for the report."""
    given: dict[str, Any] = msgspec.to_builtins(settings)
    defaults = msgspec.to_builtins(MappingSettings())
    return {name: value for name, value in given.items() if value != defaults[name]}
