"""A page of a listing: filter, order, keyset token, and the envelope around the rows."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import msgspec

from sandbox.keap.behaviour import Behaviour
from sandbox.keap.errors import KeapError
from sandbox.keap.filters import Clause, names, parse
from sandbox.keap.resource import ID, Resource
from sandbox.keap.store import Store
from sandbox.keap.tables import Place, Table
from sandbox.keap.views import Selection

DEFAULT_PAGE_SIZE = 100  # Keap does not say its own


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a listing: path and kind of the value, and direction."""

    path: str
    kind: str
    descending: bool


def page_body(
    store: Store,
    resource: Resource,
    table: Table,
    query: Mapping[str, str],
    url: str,
    scope: Clause | None = None,
    extra: bytes = b"",
) -> bytes:
    """Return the body of one page.

    Args:
        store: the account.
        resource: the listing.
        table: its rows; the account's own table, or one that was made for this request.
        query: the parameters; unknown ones are ignored, as Keap does.
        url: of the listing without query, for page tokens in URL form.
        scope: what the path restricts the listing to.
        extra: further members of the envelope, as JSON with a leading comma.

    Raises:
        KeapError: 400, for a parameter that Keap refuses.
    """
    size = _page_size(query.get("page_size"), resource.max_page_size)
    order = _order(resource, query.get("order_by"))
    selected = selection(resource, query.get("fields"))
    lenient = store.behaviour.unknown_filters == "ignored"
    custom = store.custom_field_ids(resource.model)
    clauses = parse(query.get("filter", ""), resource.filters, custom, lenient=lenient)
    for name, other in resource.needs.items():
        if name in (given := names(query.get("filter", ""))) and other not in given:
            raise KeapError(400, f"Invalid filter: {name} needs {other}")
    if scope is not None:
        clauses.append(scope)
    after = _decode(query.get("page_token"))
    found = _matches(table, clauses, order, after)
    places = [found_place for _, found_place in zip(range(size + 1), found, strict=False)]
    own = store.tables.get(resource.stream) is table
    view = store.view(resource.stream, selected)
    rows = [
        view.row(row_id) if own else msgspec.json.encode(view.shape(table.rows[row_id])) for _, row_id in places[:size]
    ]
    token = _encode(places[size - 1][0]) if len(places) > size else ""
    tail = _token_member(token, store.behaviour, query, url)
    head = b'{"' + resource.envelope.encode() + b'":['
    return b"".join((head, b",".join(rows), b"]", tail, extra, b"}"))


def _matches(table: Table, clauses: list[Clause], order: Order, after: Place | None) -> Iterator[tuple[Place, str]]:
    narrow = [table.having(clause.path, clause.keys) for clause in clauses if clause.keys is not None]
    if narrow:
        some = set.intersection(*narrow)
        walk = table.walk_some(some, order.path, order.kind, after, descending=order.descending)
    else:
        walk = table.walk(order.path, order.kind, after, descending=order.descending)
    if not clauses:
        return walk
    return ((place, row_id) for place, row_id in walk if all(clause.fits(table.rows[row_id]) for clause in clauses))


def _page_size(text: str | None, largest: int) -> int:
    usual = min(DEFAULT_PAGE_SIZE, largest)
    if not text:
        return usual
    try:
        size = int(text)
    except ValueError:
        raise KeapError(400, "page_size must be a number") from None
    if not 0 <= size <= largest:
        raise KeapError(400, f"page_size must be between 0 and {largest}")
    return size or usual


def _order(resource: Resource, text: str | None) -> Order:
    if not text:
        path, kind = ID if resource.id_field else ("transaction_time", "time")
        return Order(resource.id_field or path, kind, descending=False)
    words = text.split()
    if words[0] not in resource.orders or len(words) > 2:
        raise KeapError(400, f"Invalid order_by: {text}", domain="order_by", resource=words[0])
    direction = words[1].lower() if len(words) == 2 else "asc"
    if direction not in {"asc", "desc"}:
        raise KeapError(400, f"Invalid order_by: {text}")
    path, kind = resource.orders[words[0]]
    return Order(path, kind, direction == "desc")


def selection(resource: Resource, text: str | None) -> Selection:
    """Return which fields ``fields`` asks for.

    Raises:
        KeapError: 400, for a field that is not offered.
    """
    if not resource.selectable:
        return Selection()
    if not text and resource.sparse:
        return Selection(kept=resource.sparse)
    if not text:
        return Selection(left_out=resource.optional)
    wanted = {name.strip() for name in text.split(",") if name.strip()}
    allowed = resource.fields or resource.optional
    if allowed and (unknown := wanted - allowed):
        raise KeapError(400, f"Invalid fields: {', '.join(sorted(unknown))}", domain="fields")
    if resource.optional:
        return Selection(left_out=resource.optional - wanted)
    return Selection(kept=frozenset({*wanted, "id"}))


def _encode(place: Place) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode().rstrip("=")


def _decode(token: str | None) -> Place | None:
    if not token:
        return None
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        place: Place = msgspec.msgpack.decode(raw, type=tuple[tuple[int, float | str], tuple[int, str]])
    except (ValueError, msgspec.DecodeError):
        raise KeapError(400, "Invalid page_token") from None
    return place


def _token_member(token: str, behaviour: Behaviour, query: Mapping[str, str], url: str) -> bytes:
    if not token:
        return {"empty": b',"next_page_token":""', "null": b',"next_page_token":null', "absent": b""}[
            behaviour.last_token
        ]
    if behaviour.token_form == "url":  # noqa: S105
        rest = {name: value for name, value in query.items() if name != "page_token" and value}
        token = f"{url}/?{urlencode({**rest, 'page_token': token})}"
    return b',"next_page_token":' + msgspec.json.encode(token)
