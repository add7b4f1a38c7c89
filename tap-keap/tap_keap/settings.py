"""Settings of the tap: their JSON schema, and the checks that a JSON schema cannot say."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, ValidationError
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import FLATTENING_CONFIG, STREAM_MAPS_CONFIG

from tap_keap.errors import ConfigurationError
from tap_keap.instants import parse_instant

API_URL = "https://api.infusionsoft.com/crm/rest"
TOKEN_URL = "https://api.infusionsoft.com/token"  # noqa: S105 - an address
AUTHORIZE_URL = "https://accounts.infusionsoft.com/app/oauth/authorize"

CONFIG_SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="API key",
        description="Service account key or personal access token. Either this, or the OAuth settings.",
    ),
    th.Property(
        "api_key_header",
        th.StringType,
        default="authorization",
        allowed_values=["authorization", "x-keap-api-key"],
        title="API key header",
        description="Header that carries the key: `authorization` (as Bearer) or `x-keap-api-key`.",
    ),
    th.Property(
        "client_id",
        th.StringType,
        secret=True,
        title="OAuth client id",
        description="Client id of your Keap developer app.",
    ),
    th.Property(
        "client_secret",
        th.StringType,
        secret=True,
        title="OAuth client secret",
        description="Client secret of your Keap developer app.",
    ),
    th.Property(
        "refresh_token",
        th.StringType,
        secret=True,
        title="OAuth refresh token",
        description="First refresh token; used only while `token_path` holds none. `tap-keap auth login` gets one.",
    ),
    th.Property(
        "token_path",
        th.StringType,
        title="Token path",
        description=(
            "Where the rotating OAuth tokens are kept: a local path, or a URL such as `s3://bucket/keap.json`. "
            "Required with OAuth, because each refresh token works once."
        ),
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Earliest change to read where Keap can filter by time. Default: everything.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        default=API_URL,
        title="API URL",
        description="Keap's REST address, without version. https, except on loopback.",
    ),
    th.Property(
        "token_url", th.StringType, default=TOKEN_URL, title="Token URL", description="Keap's OAuth token address."
    ),
    th.Property(
        "authorize_url",
        th.StringType,
        default=AUTHORIZE_URL,
        title="Authorize URL",
        description="Keap's OAuth consent page, for `tap-keap auth login`.",
    ),
    th.Property(
        "lookback_days",
        th.IntegerType(minimum=0),
        default=90,
        title="Look-back, days",
        description=(
            "How far before the bookmark payments, transactions, notes, tasks and emails are read again, because Keap "
            "does not say which time their filter looks at."
        ),
    ),
    th.Property(
        "full_reread_days",
        th.IntegerType(minimum=0),
        default=7,
        title="Full re-read, days",
        description=(
            "Payments, transactions, notes and tasks are read whole when the last whole read is older. 0: never."
        ),
    ),
    th.Property(
        "related_records",
        th.BooleanType,
        default=True,
        title="Related records",
        description=(
            "With a changed order also read its contact and all payments that name it, with a changed payment its "
            "orders, so that these records always arrive in closed groups."
        ),
    ),
    th.Property(
        "daily_quota_reserve",
        th.IntegerType(minimum=0),
        default=0,
        title="Daily quota reserve",
        description="Requests of Keap's daily quota to leave for other programs: the run stops there.",
    ),
    th.Property(
        "max_run_minutes",
        th.NumberType(minimum=0),
        title="Longest run, minutes",
        description="Stop cleanly after so many minutes; the next run goes on. Default: no limit.",
    ),
    th.Property(
        "requests_per_minute",
        th.IntegerType(minimum=1),
        title="Requests per minute",
        description="Own limit, instead of what Keap's headers allow: lower where other programs share the key.",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=1000),
        default=1000,
        title="Page size",
        description="Rows per request.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(minimum=1),
        default=120,
        title="Request timeout, seconds",
        description="How long to wait for an answer before a request is tried again.",
    ),
    th.Property(
        "user_agent", th.StringType, title="User agent", description="User-Agent header. Default: tap-keap/version."
    ),
    th.Property(
        "flatten_custom_fields",
        th.BooleanType,
        default=False,
        title="Flatten custom fields",
        description="Add a column `custom_<field name>` for each custom field of contacts, orders and subscriptions.",
    ),
    th.Property(
        "additional_fields",
        th.BooleanType,
        default=False,
        title="Additional fields",
        description="Keep fields that Keap sends and the schemas do not know. Default: dropped.",
    ),
    th.Property(
        "now",
        th.DateTimeType,
        title="Clock",
        description="Fixed clock of a rehearsal: this instant stands for now when windows of time are computed.",
    ),
).to_dict()

SDK_SETTINGS = frozenset(STREAM_MAPS_CONFIG["properties"]) | frozenset(FLATTENING_CONFIG["properties"])


def check_settings(config: Mapping[str, Any], *, whole: bool) -> None:
    """Refuse unknown names, wrong types and unsafe addresses, naming the setting and never its value.

    Args:
        config: What the user gave.
        whole: Also check the values; without it only the names.

    Raises:
        ConfigurationError: naming the first setting that cannot be used.
    """
    known = [*CONFIG_SCHEMA["properties"], *sorted(SDK_SETTINGS)]
    for name in config:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(f"Unknown setting {name!r}.{hint}")
    if not whole:
        return
    own = {name: value for name, value in config.items() if name in CONFIG_SCHEMA["properties"]}
    for error in Draft202012Validator(CONFIG_SCHEMA).iter_errors(own):
        raise ConfigurationError(_explain(error))
    for name in ("start_date", "now"):
        if config.get(name):
            setting_instant(config, name)
    for name in ("api_url", "token_url", "authorize_url"):
        if config.get(name):
            _check_address(name, config[name])


def setting_instant(config: Mapping[str, Any], name: str) -> datetime | None:
    """A setting that is an instant, in UTC; None where it is not set.

    Raises:
        ConfigurationError: if it is no ISO-8601 instant.
    """
    if not config.get(name):
        return None
    try:
        return parse_instant(config[name])
    except ValueError:
        raise ConfigurationError(f"Setting {name!r}: expected a date or an instant, such as 2026-01-31.") from None


def run_clock(config: Mapping[str, Any]) -> datetime:
    """The instant that stands for now in this run."""
    return setting_instant(config, "now") or datetime.now(UTC)


def _explain(error: ValidationError) -> str:
    name = ".".join(str(part) for part in error.path)
    wanted: Any = error.validator_value
    if error.validator == "type":
        kinds = [kind for kind in ([wanted] if isinstance(wanted, str) else wanted) if kind != "null"]
        return f"Setting {name!r}: expected {' or '.join(kinds)}."
    if error.validator == "enum":
        return f"Setting {name!r}: expected one of {', '.join(str(value) for value in wanted if value)}."
    if error.validator in {"minimum", "maximum"}:
        return f"Setting {name!r}: {error.validator} is {wanted}."
    return f"Setting {name!r} is not valid ({error.validator})."


def _check_address(name: str, address: str) -> None:
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and _is_loopback(host):
        return
    raise ConfigurationError(f"Setting {name!r}: expected an https address (http only on loopback).")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
