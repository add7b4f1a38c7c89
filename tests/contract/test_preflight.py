"""Preflight against the sandbox: keys, the data source, account settings with their consequence (§0 a, 1.7, 9.11)."""

from __future__ import annotations

import socket

import pytest

from target_chartmogul import failures
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import (
    create_data_source,
    find_data_source,
    same_contacts_elsewhere,
)
from target_chartmogul.chartmogul.errors import CredentialsError, RefusedError, UnreachableError
from target_chartmogul.checks.preflight import (
    AccountSettings,
    check_key,
    check_writable,
    examine,
    examine_source,
    find_same_contacts,
    judge_churn_setting,
    read_account,
)


@pytest.fixture
def client(sandbox):
    sandbox.no_limits(("chartmogul",))
    made = ChartMogulClient(sandbox.chartmogul_api_key, sandbox.chartmogul_url)
    yield made
    made.close()


def settings(sandbox, **changes):
    sandbox.control("PUT", "chartmogul/settings", changes)


def test_a_good_key_passes_and_changes_nothing(sandbox, client):
    check_key(client)
    check_writable(client)
    assert [entry["status"] for entry in sandbox.writes()] == [404]


def test_a_wrong_key(sandbox):
    with pytest.raises(CredentialsError, match="does not know this api_key") as caught:
        check_key(ChartMogulClient("wrong-key-1234", sandbox.chartmogul_url))
    assert "wrong-key" not in str(caught.value)
    assert isinstance(caught.value, failures.CredentialsError)


def test_a_read_only_key_is_found_without_a_write(sandbox):
    client = ChartMogulClient(sandbox.keys["chartmogul_read_only_key"], sandbox.chartmogul_url)
    check_key(client)
    with pytest.raises(CredentialsError, match="only read"):
        check_writable(client)


def test_another_address(sandbox):
    client = ChartMogulClient(sandbox.chartmogul_api_key, sandbox.urls["chartmogul_api_url"] + "/nothing")
    with pytest.raises(UnreachableError, match="api_url"):
        check_key(client)


def test_an_address_where_nobody_listens(monkeypatch):
    monkeypatch.setattr("backoff.full_jitter", lambda _: 0.001)
    with socket.create_server(("127.0.0.1", 0)) as freed:
        port = freed.getsockname()[1]
    with pytest.raises(UnreachableError, match="refused") as caught:
        check_key(ChartMogulClient("key", f"http://127.0.0.1:{port}/v1"))
    assert isinstance(caught.value, failures.ServiceError)


def test_a_host_that_does_not_exist(monkeypatch):
    monkeypatch.setattr("backoff.full_jitter", lambda _: 0.001)
    with pytest.raises(UnreachableError, match="host name"):
        check_key(ChartMogulClient("key", "http://nowhere.invalid/v1"))


def test_the_data_source_is_found_or_created_once(client):
    assert find_data_source(client, name="Keap") is None
    created = create_data_source(client, "Keap")
    assert create_data_source(client, "Keap").uuid == created.uuid
    found = find_data_source(client, name="Keap")
    assert found.uuid == find_data_source(client, name="other", uuid=created.uuid).uuid == created.uuid
    assert found.auto_churn_days is None
    with pytest.raises(RefusedError) as caught:
        find_data_source(client, name="Keap", uuid="ds_00000000-0000-0000-0000-000000000000")
    assert caught.value.missing


@pytest.mark.parametrize("kind", ["reset_after", "truncated", "502"])
def test_a_lost_answer_creates_no_second_data_source(sandbox, client, kind):
    sandbox.faults("chartmogul", script=[{"match": {"method": "POST"}, "kind": kind, "times": 1}])
    uuid = create_data_source(client, "Keap").uuid
    assert [row["uuid"] for row in client.get("/data_sources")["data_sources"]] == [uuid]


def test_rule_1_7_other_sources_with_the_same_contacts_are_named(client):
    """Rule 1.7, last sentence."""
    own, other = create_data_source(client, "Keap"), create_data_source(client, "SaaSync")
    for source, external_id in ((own, "1"), (own, "2"), (own, "3"), (other, "1"), (other, "2")):
        client.post("/customers", {"data_source_uuid": source.uuid, "external_id": external_id})
    assert same_contacts_elsewhere(client, own.uuid, ["1", "2", "3"]) == {"SaaSync": 2}
    assert same_contacts_elsewhere(client, own.uuid, ["3"]) == {}
    told = str(find_same_contacts(client, own, ["1", "2", "3"], ""))
    assert "“SaaSync” (2 of 3 looked up)" in told
    assert "twice" in told
    assert find_same_contacts(client, own, ["3"], "keap-") is None
    assert find_same_contacts(client, own, [], "") is None
    assert "Keap" in str(find_same_contacts(client, None, ["3"], ""))


def test_default_settings_raise_no_warning(client):
    source = create_data_source(client, "Keap")
    account = read_account(client)
    assert (account.currency, account.time_zone) == ("USD", "UTC")
    findings = examine(account, find_data_source(client, name=source.name))
    assert [finding.setting for finding in findings if finding.severity == "warning"] == []
    assert judge_churn_setting(account, "fail") is None


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"account": {"churn_recognition": "churn_at_period_end"}}, "churn_recognition"),
        ({"account": {"churn_recognition": "churn_at_click"}}, "churn_recognition"),
        ({"account": {"auto_churn_subscription": True}}, "auto_churn_subscription"),
        ({"auto_churn_subscription_setting": {"enabled": True, "interval": 30}}, "auto_churn_subscription_setting"),
        ({"account": {"refund_handling": "refund_full_only"}}, "refund_handling"),
        (
            {"invoice_handling_setting": {"manual": {"create_subscription_when_invoice_is": "paid"}}},
            "invoice_handling_setting.manual.create_subscription_when_invoice_is",
        ),
        (
            {"invoice_handling_setting": {"automatic": {"prevent_subscription_for_invoice_written_off": False}}},
            "invoice_handling_setting.automatic.prevent_subscription_for_invoice_written_off",
        ),
        (
            {"invoice_handling_setting": {"automatic": {"prevent_subscription_for_invoice_refunded": True}}},
            "invoice_handling_setting.automatic.prevent_subscription_for_invoice_refunded",
        ),
        (
            {"account": {"proximate_movement_reclassification": "one_day_reclassification"}},
            "proximate_movement_reclassification",
        ),
        ({"account": {"time_zone": "America/New_York"}}, "time_zone"),
    ],
)
def test_each_setting_that_bends_the_figures_is_told(sandbox, client, changes, setting):
    source = create_data_source(client, "Keap")
    before = {finding.setting for finding in examine(read_account(client), find_data_source(client, name="Keap"))}
    settings(sandbox, **changes)
    findings = examine(read_account(client), find_data_source(client, name=source.name))
    (told,) = [finding for finding in findings if finding.setting not in before]
    assert told.setting == setting
    assert told.setting in str(told)
    assert len(told.consequence) > 40


def test_what_our_own_settings_ask_for_is_no_conflict(sandbox, client):
    create_data_source(client, "Keap")
    settings(
        sandbox,
        account={"refund_handling": "refund_full_only"},
        invoice_handling_setting={"manual": {"create_subscription_when_invoice_is": "paid"}},
    )
    source = find_data_source(client, name="Keap")
    findings = examine(read_account(client), source, unpaid_orders="skip", full_refund="remove_mrr")
    assert [finding.setting for finding in findings if finding.severity == "warning"] == []


def test_churn_recognition_warns_fails_or_is_ignored(sandbox, client):
    """§0 a."""
    settings(sandbox, account={"churn_recognition": "churn_at_period_end"})
    account = read_account(client)
    assert "up to one billing interval late" in str(judge_churn_setting(account, "warn"))
    assert judge_churn_setting(account, "ignore") is None
    with pytest.raises(failures.RefusedError, match="churn_at_period_end"):
        judge_churn_setting(account, "fail")


def test_an_account_that_does_not_tell_its_settings(client, monkeypatch):
    """Older accounts know no `include`: unknown is reported, and is a mismatch too."""
    monkeypatch.setattr("target_chartmogul.checks.preflight._INCLUDE", ("no_such_setting",))
    account = read_account(client)
    assert account.currency == "USD"
    assert "does not show" in str(judge_churn_setting(account, "warn"))


def test_a_key_may_write_although_the_attempt_is_answered_304(sandbox, client):
    """Case patch-304: no answer but a 403 says that a key may only read."""
    settings(sandbox, unchanged_patch="304")
    check_writable(client)
    assert [entry["status"] for entry in sandbox.writes()] == [304]


HALF = {
    "create_subscription_when_invoice_is": "paid",
    "update_subscription_when_invoice_is": "open",
    "prevent_subscription_for_invoice_voided": True,
    "prevent_subscription_for_invoice_refunded": True,
    "prevent_subscription_for_invoice_written_off": True,
}


def test_the_settings_of_a_new_source_are_examined_before_its_first_invoice(sandbox, client):
    """Case new-source-settings: the answer to its creation does not show them."""
    settings(sandbox, invoice_handling_setting={"manual": HALF, "automatic": HALF})
    assert find_data_source(client, name="Shop") is None
    found = examine_source(client, create_data_source(client, "Shop"))
    names = ("create_subscription_when_invoice_is", "prevent_subscription_for_invoice_refunded")
    expected = {(f"invoice_handling_setting.{half}.{name}") for half in ("manual", "automatic") for name in names}
    assert len(found) == 4
    assert {finding.setting for finding in found} == expected
    assert found == [f for f in examine(read_account(client), find_data_source(client, name="Shop")) if f in found]
    assert examine_source(client, find_data_source(client, name="Shop"), unpaid_orders="skip", full_refund="x") == []


def test_a_new_source_that_is_not_shown_yet(sandbox, client, monkeypatch):
    monkeypatch.setattr("target_chartmogul.checks.preflight._BETWEEN_LOOKS", 0.01)
    created = create_data_source(client, "Shop")
    settings(sandbox, auto_churn_subscription_setting={"enabled": True, "interval": 30})
    hidden = {"match": {"method": "GET", "path_regex": "/data_sources/"}, "kind": "404"}
    sandbox.faults("chartmogul", script=[hidden | {"times": 2}])
    (found,) = examine_source(client, created)
    assert (found.setting, found.value) == ("auto_churn_subscription_setting", "after 30 days")
    sandbox.faults("chartmogul", script=[hidden | {"times": None}])
    (found,) = examine_source(client, created)
    assert (found.setting, found.value) == ("invoice_handling_setting", "unknown")


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("auto_churn_subscription_setting", True, "on, after an unknown time"),
        ("auto_churn_subscription_setting", "true", "on, after an unknown time"),
        ("auto_churn_subscription_setting", 30, "after 30 days"),
        ("auto_churn_subscription_setting", "30", "after 30 days"),
        ("auto_churn_subscription_setting", {"enabled": True}, "on, after an unknown time"),
        ("auto_churn_subscription_setting", {"enabled": "yes", "interval": "30"}, "after 30 days"),
        ("auto_churn_subscription_setting", {"enabled": True, "interval": [1]}, "on, after an unknown time"),
        ("auto_churn_subscription_setting", {}, "of an unknown form"),
        ("auto_churn_subscription_setting", [True], "of an unknown form"),
        ("auto_churn_subscription_setting", "sometimes", "of an unknown form"),
        ("auto_churn_subscription_setting", False, None),
        ("auto_churn_subscription_setting", 0, None),
        ("auto_churn_subscription_setting", None, None),
        ("auto_churn_subscription_setting", {"enabled": "false", "interval": 30}, None),
        ("invoice_handling_setting", {"manual": None, "automatic": None}, None),
        ("invoice_handling_setting", None, None),
        ("invoice_handling_setting", {}, "of an unknown form"),
        ("invoice_handling_setting", True, "of an unknown form"),
        ("invoice_handling_setting", "open", "of an unknown form"),
        ("invoice_handling_setting", {"manual": "open", "automatic": HALF | {"extra": None}}, "of an unknown form"),
        ("invoice_handling_setting", {"manual": {"create_subscription_when_invoice_is": ["p\n"]}}, "['p\\n']"),
        ("invoice_handling_setting", {"manual": {"update_subscription_when_invoice_is": 3}}, "3"),
    ],
)
def test_odd_settings_of_a_source_never_end_a_run(sandbox, client, setting, value, told):
    """Case odd-source-settings: older accounts show a switch instead of an object."""
    settings(sandbox, source_fields={setting: value})
    source = create_data_source(client, "Shop")
    for found in (
        examine(read_account(client), find_data_source(client, name="Shop")),
        examine(read_account(client), find_data_source(client, name="Shop", uuid=source.uuid)),
        examine_source(client, source),
    ):
        of_it = [finding for finding in found if finding.setting.startswith(setting)]
        if told is None:
            assert of_it == []
        else:
            assert told in {finding.value for finding in of_it}
            assert all("\n" not in str(finding) for finding in of_it)


def test_auto_churn_of_the_source_is_reported_instead_of_the_accounts(sandbox, client):
    settings(
        sandbox, account={"auto_churn_subscription": True}, source_fields={"auto_churn_subscription_setting": True}
    )
    create_data_source(client, "Shop")
    found = examine(read_account(client), find_data_source(client, name="Shop"))
    assert [f.setting for f in found if "auto_churn" in f.setting] == ["auto_churn_subscription_setting"]


@pytest.mark.parametrize("odd", [7, True, ["x"], {"a": 1}, "\n", None])
def test_odd_settings_of_an_account_never_end_a_run(client, monkeypatch, odd):
    fields = [name for name in AccountSettings.__struct_fields__ if name != "currency"]
    monkeypatch.setattr(client, "get", lambda *_: dict.fromkeys(fields, odd))
    account = read_account(client)
    assert judge_churn_setting(account, "warn") is not None
    assert all("\n" not in str(finding) for finding in examine(account, None))
    monkeypatch.setattr(client, "get", lambda *_: odd)
    assert read_account(client) == AccountSettings()
