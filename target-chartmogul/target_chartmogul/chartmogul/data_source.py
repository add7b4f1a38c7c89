"""The data source that is written to: found by name or uuid, created by name."""

from __future__ import annotations

from typing import Any

import msgspec

from target_chartmogul.chartmogul.client import ChartMogulClient, path_of
from target_chartmogul.chartmogul.creation import create
from target_chartmogul.chartmogul.errors import NotUnderstoodError, RefusedError, printable
from target_chartmogul.chartmogul.fields import Json, OddFieldError, part, texts, whole, yes_or_no

_SETTINGS = {
    "with_auto_churn_subscription_setting": "true",
    "with_invoice_handling_setting": "true",
}
_STATUS = {"with_processing_status": "true"}


class DataSource(msgspec.Struct, frozen=True, kw_only=True):
    """A data source and those of its settings that change the figures, as far as they could be read."""

    uuid: str
    name: str
    auto_churn: bool | None = None
    """Whether ChartMogul itself cancels overdue subscriptions; None if the answer does not say."""
    auto_churn_days: int | None = None
    """After how many days; None if it does not, or does not say."""
    invoice_handling: dict[str, dict[str, Any]] = {}
    """For `manual` and `automatic` collection: from which status on an invoice makes or changes a subscription."""
    odd_settings: tuple[str, ...] = ()
    """Names of settings whose form is not known."""


class Processing(msgspec.Struct, frozen=True, kw_only=True):
    """How far ChartMogul has come with what it was sent: numbers of records; None where the answer does not say."""

    processed: int | None = None
    failed: int | None = None
    pending: int | None = None

    @property
    def total(self) -> int | None:
        """All records that it knows of; None where the answer does not say."""
        if self.processed is None:
            return None
        return self.processed + (self.failed or 0) + (self.pending or 0)


def find_data_source(client: ChartMogulClient, *, name: str, uuid: str | None = None) -> DataSource | None:
    """The data source with this uuid, else with this name; None if there is none of this name.

    Raises:
        RefusedError: 404, there is none with this uuid.
        NotUnderstoodError: it is there, but the answer has no uuid of it.
        CredentialsError, UnreachableError: see `ChartMogulClient.get`.
    """
    if uuid is not None:
        answer = client.get(path_of("data_sources", uuid), _SETTINGS)
        return _read(client, {"uuid": uuid, **answer} if isinstance(answer, dict) else None)
    rows = _all_sources(client, {"name": name, **_SETTINGS})
    return next((_read(client, row) for row in rows if row.get("name") == name), None)


def create_data_source(client: ChartMogulClient, name: str) -> DataSource:
    """Create a data source, or find the one that a lost answer or another run has created meanwhile.

    Its settings are not in ChartMogul's answer: see `checks.preflight.examine_source`.

    Raises:
        RefusedError: ChartMogul does not take the name, or one of this name is just being deleted.
        CredentialsError, UnreachableError: see `ChartMogulClient.post`.
    """
    try:
        row, found, _ = create(client, "/data_sources", {"name": name}, lambda: find_data_source(client, name=name))
    except RefusedError as refusal:
        if (there := find_data_source(client, name=name)) is not None:
            return there
        raise RefusedError(refusal.status, {"data_source_name": refusal.reason}) from None
    if found is None:
        return _read(client, {"name": name, **(row or {})})
    return found


def processing(client: ChartMogulClient, uuid: str) -> Processing:
    """What `with_processing_status` says: one request.

    Raises:
        RefusedError, CredentialsError, UnreachableError: see `ChartMogulClient.get`.
    """
    answer = client.get(path_of("data_sources", uuid), _STATUS)
    status = part(answer, "processing_status") if isinstance(answer, dict) else {}
    return Processing(**{name: _count(status, name) for name in Processing.__struct_fields__})


def same_contacts_elsewhere(client: ChartMogulClient, own_uuid: str, external_ids: list[str]) -> dict[str, int]:
    """Names of other data sources that hold customers with these external ids, and how many of them (rule 1.7).

    One request per id: give a handful.
    """
    counts: dict[str, int] = {}
    for external_id in external_ids:
        for rows in client.pages("/customers", "entries", {"external_id": external_id}):
            others = {source for row in rows for source in _sources(row) if source != own_uuid}
            for source in others:
                counts[source] = counts.get(source, 0) + 1
    if not counts:
        return {}
    names = {row.get("uuid"): row.get("name") for row in _all_sources(client, {})}
    return {printable(names.get(uuid) or uuid): count for uuid, count in sorted(counts.items())}


def _all_sources(client: ChartMogulClient, params: dict[str, str]) -> list[Json]:
    answer = client.get("/data_sources", params)
    rows = answer.get("data_sources") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise NotUnderstoodError(f"{client.host} answered GET /data_sources without a list “data_sources”")
    return [row for row in rows if isinstance(row, dict)]


def _sources(row: Json) -> list[str]:
    return texts(row, "data_source_uuids") or texts({"one": [row.get("data_source_uuid")]}, "one")


def _read(client: ChartMogulClient, row: Any) -> DataSource:
    uuid = row.get("uuid") if isinstance(row, dict) else None
    if not isinstance(uuid, str) or not uuid:
        raise NotUnderstoodError(f"{client.host} answered GET /data_sources with a data source that has no uuid")
    auto_churn, days = _auto_churn(row.get("auto_churn_subscription_setting"))
    handling = part(row, "invoice_handling_setting")
    odd = [
        name
        for name, fits in (
            ("auto_churn_subscription_setting", auto_churn is not None),
            ("invoice_handling_setting", handling and all(isinstance(half, dict | None) for half in handling.values())),
        )
        if row.get(name) is not None and not fits
    ]
    return DataSource(
        uuid=uuid,
        name=printable(row.get("name") or ""),
        auto_churn=auto_churn,
        auto_churn_days=days,
        invoice_handling={printable(name): half for name, half in handling.items() if isinstance(half, dict)},
        odd_settings=tuple(odd),
    )


def _auto_churn(setting: Any) -> tuple[bool | None, int | None]:
    """Whether it is on, and after how many days: `{enabled, interval}`; older accounts had a switch or a number."""
    if isinstance(setting, dict):
        days = _count(setting, "interval")
        enabled = yes_or_no(setting.get("enabled"))
        return (enabled, days if enabled else None)
    if isinstance(setting, str | int | float) and not isinstance(setting, bool):
        days = _count({"days": setting}, "days")
        if days is not None:
            return days > 0, days or None
    return yes_or_no(setting), None


def _count(row: Json, name: str) -> int | None:
    try:
        return whole(row, name)
    except OddFieldError:
        return None
