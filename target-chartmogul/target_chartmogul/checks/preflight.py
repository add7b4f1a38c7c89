"""Before the first write: is the key good, and which settings of ChartMogul change the figures (rule §0 a).

ChartMogul's API shows these settings and cannot change them: each is reported with its consequence in plain words. A
setting in a form that nobody has documented never ends a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from target_chartmogul import failures
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import DataSource, find_data_source, same_contacts_elsewhere
from target_chartmogul.chartmogul.errors import CredentialsError, RefusedError, UnreachableError, printable
from target_chartmogul.chartmogul.fields import yes_or_no

CHURN_AT_CANCELLATION = "churn_at_time_of_cancelation"
"""ChartMogul's spelling of “when a subscription is marked as canceled in the billing system”."""
_INCLUDE = (
    "churn_recognition",
    "churn_when_zero_mrr",
    "auto_churn_subscription",
    "refund_handling",
    "proximate_movement_reclassification",
)
SAMPLE = 5
"""New customers that are looked for in other data sources."""
_LOOKS = 4
_BETWEEN_LOOKS = 1.0
_NO_SUCH_PLAN = "/plans/pl_00000000-0000-0000-0000-000000000000"
_CHURN_CONSEQUENCES = {
    "churn_at_period_end": (
        "ChartMogul shows churn at the end of the last billed period where that is later than the date sent: "
        "up to one billing interval late"
    ),
    "churn_at_click": (
        "ChartMogul documents this for Stripe, Recurly and Chargebee only; churn of this data source should appear "
        "at the date sent, but nothing guarantees it"
    ),
}


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The account as `GET /account` shows it; None where it does not say, or in a form that is not known."""

    name: str | None = None
    currency: str | None = None
    time_zone: str | None = None
    churn_recognition: str | None = None
    churn_when_zero_mrr: bool | None = None
    auto_churn_subscription: bool | None = None
    refund_handling: str | None = None
    proximate_movement_reclassification: str | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that makes ChartMogul's figures differ from what is sent."""

    setting: str
    """ChartMogul's name of it."""
    value: str
    consequence: str
    severity: Literal["warning", "note"] = "warning"

    def __str__(self) -> str:
        if self.setting == "data_source":
            return f"Other data sources of this ChartMogul account: {self.value}: {self.consequence}"
        return f"ChartMogul's {self.setting} is {self.value}: {self.consequence}"


def check_key(client: ChartMogulClient) -> None:
    """Ask ChartMogul for the simplest thing that needs a key.

    Raises:
        CredentialsError: it does not know the key.
        UnreachableError: no ChartMogul at this address.
    """
    try:
        answer = client.get("/ping")
    except RefusedError as refusal:
        raise UnreachableError(
            f"{client.host} answered {refusal.status} to GET /ping: is `api_url` ChartMogul's, with /v1 at its end?"
        ) from None
    if not isinstance(answer, dict) or answer.get("data") != "pong!":
        raise UnreachableError(f"{client.host} does not answer like ChartMogul: is `api_url` right?")


def check_writable(client: ChartMogulClient) -> None:
    """Find a read-only key before the first real write: ask to change nothing in a plan that cannot exist.

    A read-only key is refused (403) before ChartMogul looks for the plan; one that may write gets a 404, or a 304.

    Raises:
        CredentialsError: the key may only read.
    """
    try:
        client.patch(_NO_SUCH_PLAN, {})
    except RefusedError:
        return
    except CredentialsError:
        raise CredentialsError(
            f"{client.host} lets this api_key only read: nothing was written; "
            "make a key with “Read & Write” access in ChartMogul's profile page"
        ) from None


def read_account(client: ChartMogulClient) -> AccountSettings:
    """The account with its settings, or without those that this account does not offer."""
    try:
        answer = client.get("/account", {"include": ",".join(_INCLUDE)})
    except RefusedError as refusal:
        if refusal.status not in {400, 422}:
            raise
        answer = client.get("/account")
    if not isinstance(answer, dict):
        answer = {}
    switches = {"churn_when_zero_mrr", "auto_churn_subscription"}
    known: dict[str, Any] = {name: yes_or_no(answer.get(name)) for name in switches}
    for name in AccountSettings.__struct_fields__:
        if name not in switches and isinstance(answer.get(name), str):
            known[name] = printable(answer[name])
    return AccountSettings(**known)


def examine(
    account: AccountSettings,
    source: DataSource | None,
    *,
    unpaid_orders: str = "include",
    full_refund: str = "cash_only",
) -> list[Finding]:
    """All settings that change the figures, the most important first.

    Args:
        account: what `read_account` gave.
        source: the data source, None if it is still to be created: see `examine_source`.
        unpaid_orders: the mapping setting; `skip` sends paid orders only.
        full_refund: the mapping setting.
    """
    of_source = list(_source(source, unpaid_orders, full_refund)) if source else []
    return [
        *_churn(account),
        *of_source,
        *(() if any(each.setting == "auto_churn_subscription_setting" for each in of_source) else _auto_churn(account)),
        *_refunds(account, full_refund),
        *_others(account),
    ]


def examine_source(
    client: ChartMogulClient, created: DataSource, *, unpaid_orders: str = "include", full_refund: str = "cash_only"
) -> list[Finding]:
    """The settings of a data source that this run has created: to be called before its first invoice.

    Args:
        client: ChartMogul, which may not show the new source at once.
        created: what `create_data_source` gave.
        unpaid_orders: as in `examine`.
        full_refund: as in `examine`.

    Raises:
        CredentialsError, UnreachableError, StoppedError: see `ChartMogulClient.get`.
    """
    for look in range(_LOOKS):
        if look:
            client.pause(_BETWEEN_LOOKS)
        try:
            shown = find_data_source(client, name=created.name, uuid=created.uuid)
        except RefusedError:
            continue
        return list(_source(shown or created, unpaid_orders, full_refund))
    return [
        Finding(
            setting="invoice_handling_setting",
            value="unknown",
            consequence="ChartMogul does not show the new data source yet; the next run examines its settings",
        )
    ]


def find_same_contacts(
    client: ChartMogulClient, source: DataSource | None, contact_ids: list[str], prefix: str
) -> Finding | None:
    """Other data sources that hold customers of the same Keap contacts (rule 1.7): everybody would count twice.

    Args:
        client: ChartMogul.
        source: our data source, None if it is still to be created.
        contact_ids: some of those that would become customers; one request each, two with a prefix.
        prefix: `external_id_prefix`: another source may have the ids with or without it.
    """
    asked = [*contact_ids, *(prefix + each for each in contact_ids if prefix)]
    found = same_contacts_elsewhere(client, source.uuid if source else "", asked)
    if not found:
        return None
    names = ", ".join(f"“{name}” ({count} of {len(contact_ids)} looked up)" for name, count in found.items())
    return Finding(
        setting="data_source",
        value=names,
        consequence="these hold customers with the same Keap contact ids; while both data sources are there, "
        "ChartMogul counts these customers and their MRR twice. Delete the old one once this one is complete",
    )


def judge_churn_setting(account: AccountSettings, on_mismatch: str) -> Finding | None:
    """§0 a: the finding on churn recognition, if it is to be reported.

    Args:
        account: what `read_account` gave.
        on_mismatch: setting `on_churn_setting_mismatch`: `warn`, `fail` or `ignore`.

    Raises:
        failures.RefusedError: it differs, and the setting is `fail`.
    """
    finding = next(_churn(account), None)
    if finding is None or on_mismatch == "ignore":
        return None
    if on_mismatch == "fail":
        raise failures.RefusedError(
            f"{finding} (on_churn_setting_mismatch is fail; in ChartMogul: Settings, Data settings, Churn recognition)"
        )
    return finding


def _churn(account: AccountSettings) -> Iterator[Finding]:
    value = account.churn_recognition
    if value == CHURN_AT_CANCELLATION:
        return
    if value is None:
        consequence = (
            f"ChartMogul's API does not show this setting; check in its settings that it is {CHURN_AT_CANCELLATION}"
        )
    else:
        consequence = _CHURN_CONSEQUENCES.get(value, "churn may appear at other dates than those sent")
        consequence += f"; for the dates sent set it to {CHURN_AT_CANCELLATION}, for the whole account"
    yield Finding(setting="churn_recognition", value=value or "unknown", consequence=consequence)


def _source(source: DataSource, unpaid_orders: str, full_refund: str) -> Iterator[Finding]:
    if source.auto_churn:
        after = f"after {source.auto_churn_days} days" if source.auto_churn_days else "on, after an unknown time"
        yield Finding(
            setting="auto_churn_subscription_setting",
            value=after,
            consequence="ChartMogul cancels overdue subscriptions of this data source by itself after that time, in "
            "addition to the cancellations sent; a late payment does not undo it (rule 6.4 cannot reach it)",
        )
    yield from _invoice_handling(source.invoice_handling, unpaid_orders, full_refund)
    for name in source.odd_settings:
        yield Finding(
            setting=name,
            value="of an unknown form",
            consequence="this program cannot tell what it means; check the data source's settings in ChartMogul",
            severity="note",
        )


def _auto_churn(account: AccountSettings) -> Iterator[Finding]:
    if account.auto_churn_subscription:
        yield Finding(
            setting="auto_churn_subscription",
            value="true",
            consequence="ChartMogul may also cancel overdue subscriptions by itself, in addition to the cancellations "
            "sent",
        )


def _invoice_handling(handling: dict[str, dict[str, Any]], unpaid_orders: str, full_refund: str) -> Iterator[Finding]:
    """Invoices are sent without a collection method: ChartMogul may apply either half of the setting."""
    for half, rules in sorted(handling.items()):
        for verb in ("create", "update"):
            name = f"{verb}_subscription_when_invoice_is"
            status = rules.get(name)
            if status not in (None, "open") and unpaid_orders == "include":
                yield Finding(
                    setting=f"invoice_handling_setting.{half}.{name}",
                    value=printable(status),
                    consequence="orders that are not paid are sent, but add no MRR in ChartMogul until they are",
                )
        yield from _excluded_invoices(half, rules, full_refund)


def _excluded_invoices(half: str, rules: dict[str, Any], full_refund: str) -> Iterator[Finding]:
    written_off = "prevent_subscription_for_invoice_written_off"
    if yes_or_no(rules.get(written_off)) is False:
        yield Finding(
            setting=f"invoice_handling_setting.{half}.{written_off}",
            value="false",
            consequence="orders that were written off in Keap continue to count as MRR",
        )
    refunded = "prevent_subscription_for_invoice_refunded"
    if yes_or_no(rules.get(refunded)) and full_refund == "cash_only":
        yield Finding(
            setting=f"invoice_handling_setting.{half}.{refunded}",
            value="true",
            consequence="orders that were refunded in full lose their MRR, though full_refund is cash_only",
        )


def _refunds(account: AccountSettings, full_refund: str) -> Iterator[Finding]:
    if account.refund_handling == "refund_full_only" and full_refund == "cash_only":
        yield Finding(
            setting="refund_handling",
            value=account.refund_handling,
            consequence="a full refund takes MRR away in ChartMogul, though full_refund is cash_only",
        )


def _others(account: AccountSettings) -> Iterator[Finding]:
    if account.churn_when_zero_mrr is False:
        yield Finding(
            setting="churn_when_zero_mrr",
            value="false",
            consequence="a subscription that falls to 0 stays as a free customer and is not counted as churn",
            severity="note",
        )
    window = account.proximate_movement_reclassification
    if window not in {None, "reclassification_off"}:
        yield Finding(
            setting="proximate_movement_reclassification",
            value=str(window),
            consequence="churn that is followed by new MRR within that time is shown as expansion or contraction",
            severity="note",
        )
    if account.time_zone not in {None, "UTC", "Etc/UTC"}:
        yield Finding(
            setting="time_zone",
            value=str(account.time_zone),
            consequence="ChartMogul's days and months begin in that zone; midnights sent follow date_timezone",
            severity="note",
        )
