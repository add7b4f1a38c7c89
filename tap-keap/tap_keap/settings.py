"""Settings of the tap, each declared once: its type, default, description and bounds.

`CONFIG_SCHEMA` (for `--about`, Meltano and the README) is made from the declarations, and `read_settings` makes the
object that the rest of the tap uses.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, ValidationError

from tap_keap.errors import ConfigurationError
from tap_keap.instants import parse_instant

API_URL = "https://api.infusionsoft.com/crm/rest"
TOKEN_URL = "https://api.infusionsoft.com/token"  # noqa: S105 - an address
AUTHORIZE_URL = "https://accounts.infusionsoft.com/app/oauth/authorize"


@dataclasses.dataclass(frozen=True)
class About:
    """What a user reads about a setting, and its bounds."""

    title: str
    description: str
    secret: bool = False
    minimum: int | None = None
    maximum: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings, with defaults filled in. Instants are UTC."""

    api_key: Annotated[
        str | None,
        About(
            "API key", "Service account key or personal access token. Either this, or the OAuth settings.", secret=True
        ),
    ] = None
    api_key_header: Annotated[
        Literal["authorization", "x-keap-api-key"],
        About("API key header", "Header that carries the key: `authorization` (as Bearer) or `x-keap-api-key`."),
    ] = "authorization"
    client_id: Annotated[str | None, About("OAuth client id", "Client id of your Keap developer app.", secret=True)] = (
        None
    )
    client_secret: Annotated[
        str | None, About("OAuth client secret", "Client secret of your Keap developer app.", secret=True)
    ] = None
    refresh_token: Annotated[
        str | None,
        About(
            "OAuth refresh token",
            "First refresh token; used only while `token_path` holds none. `tap-keap auth login` gets one.",
            secret=True,
        ),
    ] = None
    token_path: Annotated[
        str | None,
        About(
            "Token path",
            "Where the rotating OAuth tokens are kept: a local path, or a URL such as `s3://bucket/keap.json`. "
            "Required with OAuth, because each refresh token works once.",
        ),
    ] = None
    start_date: Annotated[
        datetime | None,
        About("Start date", "Earliest change to read where Keap can filter by time. Default: everything."),
    ] = None
    api_url: Annotated[
        str,
        About("API URL", "Keap's REST address, with or without the version at its end. https, except on loopback."),
    ] = API_URL
    token_url: Annotated[str, About("Token URL", "Keap's OAuth token address.")] = TOKEN_URL
    authorize_url: Annotated[str, About("Authorize URL", "Keap's OAuth consent page, for `tap-keap auth login`.")] = (
        AUTHORIZE_URL
    )
    lookback_days: Annotated[
        int,
        About(
            "Look-back, days",
            "How far before the bookmark payments, transactions, notes, tasks and emails are read again, because Keap "
            "does not say which time their filter looks at.",
            minimum=0,
        ),
    ] = 90
    full_reread_days: Annotated[
        int,
        About(
            "Full re-read, days",
            "Payments, transactions, notes and tasks are read whole when the last whole read is older. 0: never.",
            minimum=0,
        ),
    ] = 7
    daily_quota_reserve: Annotated[
        int,
        About(
            "Daily quota reserve",
            "Requests of Keap's daily quota to leave for other programs: the run stops there.",
            minimum=0,
        ),
    ] = 0
    max_run_minutes: Annotated[
        float | None,
        About(
            "Longest run, minutes",
            "Stop cleanly after so many minutes; the next run continues. Default: no limit.",
            minimum=0,
        ),
    ] = None
    requests_per_minute: Annotated[
        int | None,
        About(
            "Requests per minute",
            "Own limit, instead of what Keap's headers allow: lower where other programs share the key.",
            minimum=1,
        ),
    ] = None
    page_size: Annotated[
        int,
        About(
            "Page size",
            "Rows per request. Halved for a listing (down to 50) whose pages time out again and again.",
            minimum=1,
            maximum=1000,
        ),
    ] = 1000
    request_timeout: Annotated[
        float,
        About(
            "Request timeout, seconds",
            "How long to wait for an answer, and for the whole of it, before a request is tried again.",
            minimum=1,
        ),
    ] = 120.0
    user_agent: Annotated[str | None, About("User agent", "User-Agent header. Default: tap-keap/version.")] = None
    flatten_custom_fields: Annotated[
        bool,
        About(
            "Flatten custom fields",
            "Add a column `custom_<field name>` for each custom field of contacts, orders and subscriptions.",
        ),
    ] = False
    additional_fields: Annotated[
        bool,
        About("Additional fields", "Keep fields that Keap sends and the schemas do not know. Default: dropped."),
    ] = False
    exit_code_file: Annotated[
        str | None,
        About(
            "Exit code file",
            "Local file into which the run writes its exit code when it ends, for schedulers that cannot see it "
            "(`meltano run` cannot). Removed when a run starts.",
        ),
    ] = None
    now: Annotated[
        datetime | None,
        About("Clock", "Fixed clock of a rehearsal: this instant stands for now when windows of time are computed."),
    ] = None


_KINDS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
}


def _property(field: dataclasses.Field[Any], hint: Any) -> dict[str, Any]:
    """The JSON schema of one setting."""
    kind, about = get_args(hint)
    if isinstance(kind, UnionType):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    schema = dict(_KINDS[str if choices else kind])
    schema["type"] = [schema["type"], "null"]
    schema |= {"title": about.title, "description": about.description}
    if field.default is not None:
        schema["default"] = int(field.default) if isinstance(field.default, float) else field.default
    if choices:
        schema["enum"] = list(choices)
    if about.secret:
        schema |= {"secret": True, "writeOnly": True}
    return schema | {name: bound for name in ("minimum", "maximum") if (bound := getattr(about, name)) is not None}


_HINTS = get_type_hints(Settings, include_extras=True)
CONFIG_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {field.name: _property(field, _HINTS[field.name]) for field in dataclasses.fields(Settings)},
    "$schema": "https://json-schema.org/draft/2020-12/schema",
}
SDK_SETTINGS = (
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
)
"""Settings of the SDK that this tap has; a test compares them with the SDK's."""
_OBJECTS = ("STREAM_MAPS", "STREAM_MAP_CONFIG", "FAKER_CONFIG")
_ENVIRONMENT = "TAP_KEAP_"
_CREDENTIALS = ("api_key", "client_id", "client_secret", "refresh_token")


def read_settings(config: Mapping[str, Any]) -> Settings:
    """The settings that a user gave, checked and with defaults.

    Raises:
        ConfigurationError: naming the first setting that cannot be used, and never its value.
    """
    for name in config:
        if name not in _HINTS and name not in SDK_SETTINGS:
            raise ConfigurationError(f"Unknown setting '{name}'.{_nearest(name, [*_HINTS, *SDK_SETTINGS])}")
    own = {name: value for name, value in config.items() if name in _HINTS}
    for error in Draft202012Validator(CONFIG_SCHEMA).iter_errors(own):
        raise ConfigurationError(_explain(error))
    given = {name: value for name, value in own.items() if value is not None}
    for name, value in given.items():
        if isinstance(value, Decimal):  # the SDK reads its files so
            given[name] = int(value) if "integer" in CONFIG_SCHEMA["properties"][name]["type"] else float(value)
    for name in ("start_date", "now"):
        if name in given:
            given[name] = _instant(name, given[name])
    for name in _CREDENTIALS:
        if name in given:
            given[name] = _credential(name, given[name])
    for name in ("api_url", "token_url", "authorize_url"):
        if name in given:
            given[name] = _address(name, given[name])
    if "api_url" in given:
        given["api_url"] = re.sub(r"/v[12]$", "", given["api_url"]).rstrip("/")
    return Settings(**given)


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse environment variables that look like settings and are none, such as `TAP_KEAP_APIKEY`.

    Raises:
        ConfigurationError: naming the variable, and the setting that was probably meant.
    """
    known = [_ENVIRONMENT + name.upper() for name in [*_HINTS, *SDK_SETTINGS, "loglevel"]]
    nested = tuple(f"{_ENVIRONMENT}{name}_" for name in _OBJECTS)
    extras = f"{_ENVIRONMENT}_"  # Meltano's own: TAP_KEAP__SELECT and others
    for name in sorted(environment):
        if not name.startswith(_ENVIRONMENT) or name in known or name.startswith((*nested, extras)):
            continue
        raise ConfigurationError(f"The environment variable {name} is not a setting.{_nearest(name, known)}")


def writable_exit_code_file(path: str) -> Path:
    """The file for the exit code, without what an earlier run left in it.

    Raises:
        ConfigurationError: if it cannot be written.
    """
    file = Path(path).expanduser()
    try:
        file.unlink(missing_ok=True)
        file.touch()
        file.unlink()
    except OSError as error:
        raise ConfigurationError(f"Setting 'exit_code_file' cannot be written: {error.strerror}.") from None
    return file


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def _instant(name: str, text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError:
        raise ConfigurationError(f"Setting {name!r}: expected a date or an instant, such as 2026-01-31.") from None


def _credential(name: str, text: str) -> str:
    """A key or token without the blanks and line breaks that a paste or a secret store put around it."""
    text = text.strip()
    if not re.fullmatch(r"[\x21-\x7e]*", text):
        raise ConfigurationError(
            f"Setting {name!r} contains a blank, a line break or another character that is in no key: copy it again."
        )
    return text


def _explain(error: ValidationError) -> str:
    name = ".".join(str(part) for part in error.path)
    wanted: Any = error.validator_value
    if error.validator == "type":
        kinds = [kind for kind in ([wanted] if isinstance(wanted, str) else wanted) if kind != "null"]
        return f"Setting {name!r}: expected {' or '.join(kinds)}."
    if error.validator == "enum":
        return f"Setting {name!r}: expected one of {', '.join(str(value) for value in wanted)}."
    if error.validator in {"minimum", "maximum"}:
        return f"Setting {name!r}: {error.validator} is {wanted}."
    return f"Setting {name!r} is not valid ({error.validator})."


def _address(name: str, address: str) -> str:
    address = address.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError(f"Setting {name!r} is not an address.") from None
    if (parts.scheme == "https" and host) or (parts.scheme == "http" and _is_loopback(host)):
        return address
    raise ConfigurationError(f"Setting {name!r}: expected an https address (http only on loopback).")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
