"""Whatever a record, an answer or a file says is text on the page: in cells, attributes, SVG and the history too."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from target_chartmogul.report.page import render, render_history

HOSTILE = (
    'X"><img src=x onerror=alert(1)>',
    "</style><script>alert(1)</script>",
    "' autofocus onfocus='alert(1)",
    "--><svg onload=alert(1)>",
    "{{ 7 * 7 }}",
)


class Page(HTMLParser):
    """Elements with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def report_of(text: str) -> dict[str, Any]:
    """A report in which every text that can come from outside is this one."""
    entry = {"id": text, "record": text, "rule": text, "reason": text, text: text, "currency": text, "mrr": 100}
    entry |= {"amount_in_cents": 5, "effective_date": text, "subscription": text, "customer": text, "since": text}
    month = dict.fromkeys(("mrr", "customers", "new", "expansion", "contraction", "churn", "reactivation"), 100)
    months = {"2026-01": {text: month}, "2026-02": {text: {**month, "mrr": 200}}}
    return {
        "run": {
            "started_at": text,
            "finished_at": text,
            "now": text,
            "seconds": 1.0,
            "dry_run": True,
            "outcome": text,
            "exit_code": 7,
        },
        "counts": {"customers": {"created": 1}, text: {"created": 1}},
        "guards": [text],
        "mrr": {"what_it_is": text, "months": months, "months_before": {"2026-01": {text: {"mrr": 50}}}},
        "data_source": {"uuid": text, "name": text},
        "preflight": {"findings": [text, {"consequence": text}, {text: text}], "account": {text: text}},
        "rejects": [entry],
        "refusals": [{**entry, "records": [text]}],
        "waiting": [entry],
        "changes": [{**entry, "fields": [text]}],
        "churn": [entry],
        "lists": {text: {"title": text, "what_to_do": text, "entries": [entry]}},
        "records": {text: 1},
        "requests": {text: {text: 1}},
        "settings": {text: [text]},
        "account": {"customers": 1, "customers_with_mrr": 1, text: text},
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_texts(text: str) -> None:
    plain, page = Page(render(report_of("plain"), "plain")), Page(render(report_of(text), text))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements], "no element more, none less"
    for (_, found), (_, expected) in zip(page.elements, plain.elements, strict=True):
        assert found.keys() == expected.keys()
    assert page.text.count(text) >= 30


@pytest.mark.parametrize("text", HOSTILE)
def test_the_history_too(text: str) -> None:
    def runs(value: str) -> list[dict[str, Any]]:
        run = {"name": value, "started_at": value, "seconds": 1, "dry_run": False, "outcome": value, "exit_code": 0}
        return [{**run, "mrr": {value: 5}, "changed": {value: 1}, "rejected": 0}]

    plain, page = Page(render_history(runs("plain"), "plain")), Page(render_history(runs(text), text))
    assert [(tag, attrs.keys()) for tag, attrs in page.elements] == [
        (tag, attrs.keys()) for tag, attrs in plain.elements
    ]


@pytest.mark.parametrize("page", [render(report_of("x"), "x"), render_history([], "x")])
def test_the_policy_of_the_page_lets_nothing_in(page: str) -> None:
    policies = [attrs["content"] for _, attrs in Page(page).elements if "http-equiv" in attrs]
    assert policies == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    ]
    assert "<script" not in page


def test_amounts_have_the_decimals_of_their_currency() -> None:
    """HRK ended in 2022, and still has two."""
    report = report_of("plain")
    month = dict.fromkeys(("mrr", "customers", "new", "expansion", "contraction", "churn", "reactivation"), 490000)
    report["mrr"]["months"] = {"2026-01": dict.fromkeys(("JPY", "USD", "KWD", "HRK"), month)}
    report["mrr"]["months_before"] = {}
    text = Page(render(report, "x")).text
    for code, amount in (("JPY", "4,900"), ("USD", "4,900.00"), ("KWD", "4,900.000"), ("HRK", "4,900.00")):
        assert f"{amount}MRR, {code}" in text.replace("\n", "")


def test_amounts_on_unpaid_orders_are_written_like_all_others() -> None:
    report = report_of("x")
    report["mrr"]["on_unpaid_orders_by_age_in_days"] = {"USD": {"30-59": 32733}, "JPY": {"0-29": 500000}}
    text = Page(render(report, "report.json")).text
    assert "On unpaid orders, USD327.33 (30-59 days)" in text.replace("\n", "")
    assert "On unpaid orders, JPY5,000 (0-29 days)" in text.replace("\n", "")
