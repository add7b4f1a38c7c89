"""The bodies with which Keap refuses: the gateway's, the application's, and the front end's HTML."""

from __future__ import annotations

from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

_STATUS = {
    400: "BAD_REQUEST",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    500: "INTERNAL_SERVER_ERROR",
    501: "NOT_IMPLEMENTED",
}


class KeapError(Exception):
    """A refusal by the application: ``status`` and ``message`` as in the answer."""

    def __init__(self, status: int, message: str, *, domain: str | None = None, resource: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details: list[dict[str, Any]] = []
        if domain is not None:
            self.details.append({"domain": domain, "resource": resource})

    def response(self) -> Response:
        """Return the v2 error envelope."""
        return JSONResponse(
            {
                "code": self.status,
                "message": self.message,
                "status": _STATUS.get(self.status, "UNKNOWN"),
                "details": self.details,
            },
            self.status,
        )


def fault(status: int, message: str, code: str) -> Response:
    """Return the gateway's envelope (Apigee), which is not the application's."""
    return JSONResponse({"fault": {"faultstring": message, "detail": {"errorcode": code}}}, status)


def request_line_too_long() -> Response:
    """Return what Apigee says to a request line of more than 7,168 bytes."""
    return fault(414, "request line size exceeding 7,168", "protocol.http.TooBigLine")


def not_found_page() -> Response:
    """Return what an unknown path gives to somebody who may ask."""
    return HTMLResponse(
        "<!doctype html><html><head><title>404 Not Found</title></head>"
        "<body><h1>Not Found</h1><p>The requested resource was not found on this server.</p></body></html>",
        404,
    )


def gateway_timeout_page() -> Response:
    """Return what the gateway says when an answer takes longer than it waits."""
    return HTMLResponse("<html><body><h1>504 Gateway Time-out</h1></body></html>", 504)


def body_on_get_page() -> Response:
    """Return the front end's answer to a GET that has a body."""
    return HTMLResponse(
        "<!DOCTYPE html><html lang=en><title>Error 400 (Bad Request)!!1</title>"
        "<p><b>400.</b> That is an error.<p>Your client has issued a malformed or illegal request.</html>",
        400,
    )
