"""The HTTP server: uvicorn, with a way to cut a connection and an end without waiting."""

from __future__ import annotations

import asyncio
import socket
import struct
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TRANSPORT = "sandbox.transport"


class CuttableProtocol(HttpToolsProtocol):
    """Lets a request reach its own connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[_TRANSPORT] = self.transport


def abort_connection(scope: Scope, *, abruptly: bool) -> None:
    """Close the connection of a request: with a TCP reset if ``abruptly``, else after what was written."""
    transport: asyncio.Transport = scope[_TRANSPORT]
    if not abruptly:
        transport.close()
        return
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class PromptServer(uvicorn.Server):
    """Ends at once on SIGTERM and SIGINT, with exit code 0."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut all connections first: nobody is to get a last answer that no service would give."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, CuttableProtocol):
                connection.transport.abort()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True
        self.force_exit = True


def make_server(app: ASGIApp, host: str, port: int) -> tuple[PromptServer, socket.socket]:
    """Return a server and the socket that it is to be run on, bound and listening.

    asyncio turns Nagle's algorithm off only for sockets that were made with the protocol number of TCP, which
    ``create_server`` does not do. Without ``TCP_NODELAY`` every answer would wait 40 ms for the client's
    acknowledgement of its headers.

    Raises:
        OSError: the address is in use or not allowed.
    """
    config = uvicorn.Config(
        app,
        http=CuttableProtocol,
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,  # each API has a clock of its own
        timeout_keep_alive=75,
        backlog=512,
    )
    listener = socket.create_server((host, port), backlog=512)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # handed on to every connection; see below
    listener.setblocking(False)
    return PromptServer(config), listener
