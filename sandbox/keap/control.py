"""What tests see and set on Keap's side, outside its API."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.control import refusing
from sandbox.keap.auth import Tokens
from sandbox.keap.store import Store


class KeapControl:
    """The control calls that only Keap has."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens

    def routes(self) -> list[Route]:
        """Return the routes, to be mounted under ``/control/keap``."""
        return [
            Route("/account", self._get_account, methods=["GET"]),
            Route("/account", refusing(self._put_account), methods=["PUT"]),
            Route("/rows/{stream}", refusing(self._post_rows), methods=["POST"]),
            Route("/rows/{stream}/{row_id}", refusing(self._delete_row), methods=["DELETE"]),
            Route("/behaviour", refusing(self._put_behaviour), methods=["PUT"]),
            Route("/tokens", self._get_tokens, methods=["GET"]),
        ]

    async def _get_account(self, request: Request) -> Response:
        return Response(msgspec.json.encode(self._store.dump()), media_type="application/json")

    async def _put_account(self, request: Request) -> Response:
        self._store.load(msgspec.json.decode(await request.body()))
        self._store.touched = True
        return JSONResponse({})

    async def _post_rows(self, request: Request) -> Response:
        rows = msgspec.json.decode(await request.body())["rows"]
        return JSONResponse({"ids": self._store.put(request.path_params["stream"], rows)})

    async def _delete_row(self, request: Request) -> Response:
        found = self._store.delete(request.path_params["stream"], request.path_params["row_id"])
        return JSONResponse({"deleted": found}, 200 if found else 404)

    async def _put_behaviour(self, request: Request) -> Response:
        changes = msgspec.json.decode(await request.body())
        if changes.pop("expire_access_tokens", False):
            self._tokens.expire_access()
        for kind in changes.pop("revoke", ()):
            self._tokens.revoke(kind)
        self._store.behave(changes)
        return JSONResponse({})

    async def _get_tokens(self, request: Request) -> Response:
        return JSONResponse(self._tokens.as_list())
