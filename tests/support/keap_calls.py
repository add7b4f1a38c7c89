"""Plain calls of Keap's API in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests

from tests.support.sandbox_process import Sandbox


class KeapCalls:
    """Calls with the service key unless other headers are given."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {sandbox.keap_api_key}"

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.session.get(f"{self.sandbox.keap_url}/v2/{path}", params=query, timeout=20)

    def rows(self, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
        return [row for page in self.pages(path, **query) for row in page[key]]

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        token = None
        while True:
            answer = self.get(path, **query, **({"page_token": token} if token else {}))
            assert answer.status_code == 200, answer.text
            page = answer.json()
            yield page
            token = page.get("next_page_token")
            if not token:
                return

    def refusal(self, path: str, **query: Any) -> tuple[int, str]:
        answer = self.get(path, **query)
        body = answer.json()
        assert set(body) == {"code", "message", "status", "details"}
        assert body["code"] == answer.status_code
        return answer.status_code, body["message"]

    def token(self, form: dict[str, str], **kwargs: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.post(self.sandbox.urls["keap_token_url"], data=form, timeout=20, **kwargs)
