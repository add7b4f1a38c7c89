"""OAuth: consent, codes, tokens that rotate and expire, and the refusals of the token endpoint."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.support.keap_calls import KeapCalls
from tests.support.sandbox_process import Sandbox

REDIRECT = "http://127.0.0.1:9/callback"


@pytest.fixture
def keap(sandbox: Sandbox) -> KeapCalls:
    sandbox.no_limits()
    return KeapCalls(sandbox)


def client_of(keap: KeapCalls) -> tuple[str, str]:
    return keap.sandbox.keys["keap_client_id"], keap.sandbox.keys["keap_client_secret"]


def refresh(keap: KeapCalls, token: str) -> requests.Response:
    return keap.token({"grant_type": "refresh_token", "refresh_token": token}, auth=client_of(keap))


def consent(keap: KeapCalls, **query: str) -> requests.Response:
    params = {
        "client_id": client_of(keap)[0], "redirect_uri": REDIRECT, "response_type": "code", "scope": "full",
        "state": "a b", **query,
    }  # fmt: skip
    return requests.get(keap.sandbox.urls["keap_authorize_url"], params=params, allow_redirects=False, timeout=20)


def works(keap: KeapCalls, access_token: str) -> bool:
    headers = {"Authorization": f"Bearer {access_token}"}
    return requests.get(f"{keap.sandbox.keap_url}/v2/tags", headers=headers, timeout=20).status_code == 200


def test_a_refresh_kills_the_old_refresh_token(keap: KeapCalls) -> None:
    first = refresh(keap, keap.sandbox.keys["keap_refresh_token"])
    assert first.status_code == 200
    assert set(first.json()) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert first.json()["expires_in"] == 86400
    assert works(keap, first.json()["access_token"])
    second = refresh(keap, first.json()["refresh_token"]).json()
    assert second["refresh_token"] != first.json()["refresh_token"]
    again = refresh(keap, first.json()["refresh_token"])
    assert (again.status_code, again.json()) == (
        400,
        {"error": "invalid_request", "error_description": "Invalid Refresh Token"},
    )
    assert [token["fate"] for token in keap.sandbox.tokens() if token["kind"] == "refresh"] == ["used", "used", "live"]


def test_access_tokens_expire_by_the_clock(keap: KeapCalls) -> None:
    token = refresh(keap, keap.sandbox.keys["keap_refresh_token"]).json()["access_token"]
    keap.sandbox.clock("2026-11-21T07:59:59Z")
    assert works(keap, token)
    keap.sandbox.clock("2026-11-21T08:00:00Z")
    answer = requests.get(f"{keap.sandbox.keap_url}/v2/tags", headers={"Authorization": f"Bearer {token}"}, timeout=20)
    assert answer.status_code == 401
    assert answer.json()["fault"]["detail"]["errorcode"] == "keymanagement.service.access_token_expired"


def test_tokens_can_be_made_to_expire_and_revoked(keap: KeapCalls) -> None:
    pair = refresh(keap, keap.sandbox.keys["keap_refresh_token"]).json()
    keap.sandbox.behaviour(expire_access_tokens=True)
    assert not works(keap, pair["access_token"])
    keap.sandbox.behaviour(revoke=["refresh"])
    assert refresh(keap, pair["refresh_token"]).status_code == 400


def test_an_unused_refresh_token_lives_for_45_days(keap: KeapCalls) -> None:
    pair = refresh(keap, keap.sandbox.keys["keap_refresh_token"]).json()
    keap.sandbox.clock("2027-01-04T08:00:00Z")
    assert refresh(keap, pair["refresh_token"]).status_code == 400


def test_consent_gives_a_code_that_is_good_once(keap: KeapCalls) -> None:
    page = consent(keap)
    assert (page.status_code, "Allow access to ab103?" in page.text) == (200, True)
    assert 'name="state" value="a b"' in page.text
    redirect = consent(keap, auto="1")
    assert redirect.status_code == 302
    answer = parse_qs(urlsplit(redirect.headers["location"]).query)
    assert answer["state"] == ["a b"]
    user, secret = client_of(keap)
    form = {
        "grant_type": "authorization_code", "client_id": user, "client_secret": secret, "code": answer["code"][0],
        "redirect_uri": REDIRECT,
    }  # fmt: skip
    assert keap.token({**form, "redirect_uri": "http://127.0.0.1:9/other"}).status_code == 400
    assert keap.token(form, auth=(user, secret)).status_code == 400
    assert keap.token({**form, "client_secret": "wrong"}).status_code == 401
    tokens = keap.token(form)
    assert works(keap, tokens.json()["access_token"])
    assert keap.token(form).json()["error"] == "invalid_grant"


def test_consent_can_be_denied_and_clients_are_known(keap: KeapCalls) -> None:
    assert "error=access_denied" in consent(keap, deny="1").headers["location"]
    assert consent(keap, client_id="unknown").status_code == 400


@pytest.mark.parametrize(
    "arguments",
    [{"json": {"grant_type": "refresh_token"}}, {"data": {}}, {"data": {"refresh_token": "x"}}],
)
def test_what_is_no_form_or_names_no_grant(keap: KeapCalls, arguments: dict[str, Any]) -> None:
    answer = requests.post(keap.sandbox.urls["keap_token_url"], auth=client_of(keap), timeout=20, **arguments)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_request",
        "error_description": "response_type or grant_type is required",
    }


def test_a_wrong_secret_uses_up_nothing(keap: KeapCalls) -> None:
    token = keap.sandbox.keys["keap_refresh_token"]
    wrong = keap.token({"grant_type": "refresh_token", "refresh_token": token}, auth=(client_of(keap)[0], "wrong"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert refresh(keap, token).status_code == 200
