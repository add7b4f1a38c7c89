"""Rows and Singer messages of native streams: a shop whose ids are texts of any form."""

from __future__ import annotations

from typing import Any

from tests.support.singer_messages import line

Row = dict[str, Any]
STREAMS = ("customers", "plans", "invoices", "transactions", "subscription_cancellations")
PROPERTIES = {"transactions": {"invoice_external_id": {}}}


def customer(external_id: str = "acme/1", **fields: Any) -> Row:
    return {"external_id": external_id, "name": "Acme", "email": "billing@acme-example.com", "country": "US", **fields}


def plan(external_id: str = "gold", **fields: Any) -> Row:
    return {"external_id": external_id, "name": "Gold", "interval_count": 1, "interval_unit": "month", **fields}


def line_item(external_id: str = "A-1/1", amount: int = 4900, **fields: Any) -> Row:
    return {
        "type": "subscription",
        "external_id": external_id,
        "subscription_external_id": "sub å1",
        "plan_external_id": "gold",
        "service_period_start": "2026-01-05T00:00:00Z",
        "service_period_end": "2026-02-05T00:00:00Z",
        "amount_in_cents": amount,
        **fields,
    }


def invoice(external_id: str = "A-1", owner: str = "acme/1", **fields: Any) -> Row:
    return {
        "external_id": external_id,
        "customer_external_id": owner,
        "date": "2026-01-05",
        "currency": "USD",
        "line_items": [line_item(f"{external_id}/1")],
        **fields,
    }


def payment(external_id: str = "ch_1", **fields: Any) -> Row:
    return {
        "external_id": external_id,
        "type": "payment",
        "result": "successful",
        "date": "2026-01-06T10:00:00Z",
        "amount_in_cents": 4900,
        **fields,
    }


def transaction(external_id: str = "ch_1", of: str = "A-1", **fields: Any) -> Row:
    return {**payment(external_id, **fields), "invoice_external_id": of}


def cancellation(day: str | None = "2026-03-01", owner: str = "acme/1", **fields: Any) -> Row:
    return {
        "subscription_external_id": "sub å1",
        "customer_external_id": owner,
        "effective_date": day,
        **fields,
    }


def schema(stream: str) -> str:
    properties = {"external_id": {}, **PROPERTIES.get(stream, {})}
    message = {"type": "SCHEMA", "stream": stream, "schema": {"type": "object", "properties": properties}}
    return line({**message, "key_properties": []})


def messages(whole: int | None = None, **rows: list[Row]) -> str:
    """SCHEMA and RECORDs of some streams, in ChartMogul's order.

    `whole`: each stream was read completely, in this version, which must differ from that of the last complete read.
    """
    parts = []
    version = {} if whole is None else {"version": whole}
    for stream, each in rows.items():
        parts.append(schema(stream))
        parts += [line({"type": "RECORD", "stream": stream, "record": row, **version}) for row in each]
        if whole is not None:
            parts.append(line({"type": "ACTIVATE_VERSION", "stream": stream, **version}))
    return "".join(parts) + line({"type": "STATE", "value": {"bookmarks": {stream: {"seen": 1} for stream in rows}}})


def shop() -> dict[str, list[Row]]:
    """A customer with two paid invoices and a cancellation."""
    second = line_item("A-2/1", service_period_start="2026-02-05", service_period_end="2026-03-05")
    return {
        "customers": [customer()],
        "plans": [plan()],
        "invoices": [invoice(), invoice("A-2", date="2026-02-05", line_items=[second])],
        "transactions": [transaction(), transaction("ch_2", "A-2", date="2026-02-06")],
        "subscription_cancellations": [cancellation()],
    }
