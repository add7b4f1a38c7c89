"""How an account behaves where Keap's documentation leaves that open, and what its user may see."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

_ALLOWED: dict[str, frozenset[Any]] = {
    "credentials": frozenset({"accepted", "refused"}),
    "locale": frozenset({"usd_utc", "gbp_london"}),
    "token_form": frozenset({"opaque", "url"}),
    "last_token": frozenset({"empty", "null", "absent"}),
    "edition": frozenset({"current", "old"}),
    "null_style": frozenset({"null", "omitted", "empty", "zero"}),
    "payments_since": frozenset({"payment_time", "update_time"}),
    "since_bounds": frozenset({"inclusive", "exclusive"}),
    "unknown_filters": frozenset({"refused", "ignored"}),
    "fields_parameter": frozenset({"taken", "refused"}),
    "order_payments_in_hundredths": frozenset({True, False}),
    "originating_orders_linked": frozenset({True, False}),
    "young_fields": frozenset({True, False}),
    "unknown_fields": frozenset({True, False}),
    "inactive_listed": frozenset({True, False}),
    "billing_amount": frozenset({"major", "minor"}),
    "discount_form": frozenset({"mixed", "discount", "negative_price", "special"}),
    "refund_form": frozenset({"mixed", "negative", "type", "reference"}),
    "void_form": frozenset({"transaction", "order_payment", "gone"}),
    "payment_types": frozenset({"labels", "codes"}),
    "item_types": frozenset({"documented", "unusual", "undocumented"}),
    "transaction_rows": frozenset({"once", "twice"}),
    "order_modification": frozenset({"moves", "stays"}),
}
FORMS = (
    "billing_amount", "discount_form", "refund_form", "void_form", "payment_types", "item_types", "transaction_rows",
    "order_modification", "locale",
)  # fmt: skip
_SHOWN = (
    "edition", "null_style", "order_payments_in_hundredths", "originating_orders_linked", "young_fields",
    "unknown_fields",
)  # fmt: skip


@dataclass(slots=True)
class Behaviour:
    """What the documentation leaves open, and a test may want either way; see ``_ALLOWED`` for the values.

    ``credentials``: whether keys and tokens work. ``last_token``: what stands for no further page. ``edition``: old is
    without ``sales/*`` and ``young_fields``, those that came in 2026. ``unknown_fields``: rows have a field that no
    document names. ``inactive_listed``: whether stopped subscriptions are listed without being asked for.
    ``fields_parameter``: whether a list of ``fields`` is taken at all. ``since_bounds``: of all bounds of time.
    ``originating_orders_linked``: whether the order that created a subscription names it. ``refused``: 403 or 404 by
    stream or single object. ``largest_page``: a larger ``page_size`` is refused. ``slow_above``: a larger one times
    out; 0: none does.

    The rest, ``FORMS``, is about how the rows of an account are written, see ``forms.py``: changing one of them loads
    the account anew, without what has become of it since.
    """

    credentials: str = "accepted"
    token_form: str = "opaque"  # noqa: S105
    last_token: str = "empty"  # noqa: S105
    edition: str = "current"
    null_style: str = "null"
    payments_since: str = "payment_time"
    since_bounds: str = "inclusive"
    unknown_filters: str = "refused"
    fields_parameter: str = "taken"
    order_payments_in_hundredths: bool = False
    originating_orders_linked: bool = True
    young_fields: bool = True
    unknown_fields: bool = False
    inactive_listed: bool = True
    billing_amount: str = "major"
    discount_form: str = "mixed"
    refund_form: str = "mixed"
    void_form: str = "transaction"
    payment_types: str = "labels"
    item_types: str = "documented"
    transaction_rows: str = "once"
    order_modification: str = "moves"
    locale: str = "usd_utc"
    refused: dict[str, int] = field(default_factory=dict)
    largest_page: int = 1000
    slow_above: int = 0

    @property
    def as_documented(self) -> bool:
        """Whether rows are shown as they are kept."""
        return self._some(_SHOWN) == _USUAL._some(_SHOWN)

    @property
    def forms(self) -> tuple[Any, ...]:
        """How the rows of the account are written."""
        return self._some(FORMS)

    def _some(self, names: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in names)

    def changed(self, changes: dict[str, Any]) -> Behaviour:
        """Return a copy with the changes.

        Raises:
            ValueError: an unknown setting or value.
        """
        known = {item.name for item in fields(self)}
        if unknown := set(changes) - known:
            raise ValueError(f"unknown behaviour: {', '.join(sorted(unknown))}")
        new = Behaviour(**{**asdict(self), **changes})
        for name, allowed in _ALLOWED.items():
            if getattr(new, name) not in allowed:
                raise ValueError(f"{name} is one of {', '.join(sorted(map(str, allowed)))}")
        if not set(new.refused.values()) <= {403, 404}:
            raise ValueError("a stream is refused with 403 or 404")
        return new


_USUAL = Behaviour()
