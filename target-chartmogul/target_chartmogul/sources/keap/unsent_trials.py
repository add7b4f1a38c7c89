"""Free trials that began with orders which are not sent (rule 3.5, §8): no invoice tells them to a later run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from target_chartmogul.sources.keap.account import UnsentTrial
from target_chartmogul.sources.keap.customers.trials import has_trial_item, starts_before
from target_chartmogul.sources.keap.orders.drafts import OrderDraft
from target_chartmogul.sources.keap.orders.invoices import contact_of
from target_chartmogul.sources.keap.orders.owners import Owners
from target_chartmogul.sources.keap.records import Subscription


def trials_of(
    drafts: Iterable[OrderDraft],
    sent: Collection[str],
    subscriptions: Mapping[str, Subscription],
    zone: ZoneInfo,
) -> dict[str, UnsentTrial]:
    """By `<order id>-<item id>`: the trials of orders that arrived.

    Args:
        drafts: the orders, as far as they can be decided.
        sent: ids of those that have an invoice, which tells its trial itself.
        subscriptions: those that arrived; an order before the start of its subscription is a trial.
        zone: `keap_timezone`.
    """
    return {
        f"{draft.order.id}-{item}": UnsentTrial(
            contact_id=contact_of(draft.order), subscription_id=subscription, date=draft.date
        )
        for draft in drafts
        if draft.order.id not in sent and not draft.lines.is_empty
        for item, subscription in _trials_of_order(draft, subscriptions, zone)
    }


def _trials_of_order(
    draft: OrderDraft, subscriptions: Mapping[str, Subscription], zone: ZoneInfo
) -> Iterator[tuple[str, str | None]]:
    """Item and subscription of each line with which a trial began; where no line has a subscription, the order."""
    lines: list[tuple[str, str | None]] = [
        (line.item_id, line.subscription_id) for line in draft.lines.lines if line.subscription_id is not None
    ]
    for item, subscription in lines or [("0", None)]:
        record = subscriptions.get(subscription or "")
        if has_trial_item(draft.order) or starts_before(draft.date, record, zone):
            yield item, subscription


def by_contact(trials: Iterable[UnsentTrial], owners: Owners) -> dict[str, datetime]:
    """Contact id -> its earliest trial (rule 9.3), by whose the subscriptions are today (rule 4.8)."""
    found: dict[str, datetime] = {}
    for trial in trials:
        owner = trial.contact_id
        if trial.subscription_id is not None:
            owner = owners.of_line(trial.subscription_id, owner)
        if owner is not None:
            found[owner] = min(trial.date, found.get(owner, trial.date))
    return found
