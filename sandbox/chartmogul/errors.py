"""The shapes in which ChartMogul refuses a request (fact sheet §2.3, A to F)."""

from __future__ import annotations

from typing import Any

TAKEN = "has already been taken"
TOO_LONG = "is too long (maximum is 255 characters)"
BLANK = "can't be blank"
INVALID = "is invalid"
BAD_EMAIL = "The value provided does not appear to be a valid email address."
DUPLICATE_CUSTOMER = "The external ID for this customer already exists in our system."
DUPLICATE_PLAN = "A plan with this identifier already exists in our system."
DUPLICATE_INVOICE = "The external ID for this invoice already exists in our system."
DUPLICATE_LINE_ITEM = "The external ID for this line item already exists in our system."
DUPLICATES = frozenset({TAKEN, DUPLICATE_CUSTOMER, DUPLICATE_PLAN, DUPLICATE_INVOICE, DUPLICATE_LINE_ITEM})


class ApiError(Exception):
    """A refusal: `status` and the JSON `body` of the answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def coded(status: int, message: str, param: str | None = None) -> ApiError:
    """Shape A."""
    return ApiError(status, {"code": status, "message": message, "param": param})


def fields(errors: dict[str, str]) -> ApiError:
    """Shape B: one text per field."""
    return ApiError(422, {"errors": errors})


def not_found(what: str, **detail: str) -> ApiError:
    """Shape C: `error`, in newer endpoints with `error_details`."""
    body: dict[str, Any] = {"error": f"{what} not found"}
    if detail:
        body["error_details"] = [{**detail, "message": f"{what} not found"}]
    return ApiError(404, body)


def missing_parameter(name: str) -> ApiError:
    return coded(400, f'Parameter "{name}" is missing', name)


def customer_not_found(uuid: str) -> ApiError:
    return coded(404, f'Customer "{uuid.removeprefix("cus_")}" does not exist', "customer_id")


def as_codes(body: dict[str, Any]) -> dict[str, Any]:
    """A duplicate's refusal in the form of the newer endpoints (shape D); of an imported invoice, its text only."""
    if isinstance(body.get("invoices"), list):
        return {"invoices": [{**one, "errors": _as_taken(one["errors"])} for one in body["invoices"]]}
    found = body.get("errors") or {}
    if not any(text in DUPLICATES for text in found.values()):
        return body
    details = [{"param": name, "code": "taken", "message": f"{name} {TAKEN}"} for name in found]
    return {**{name: [text] for name, text in _as_taken(found).items()}, "error_details": details}


def _as_taken(found: dict[str, str]) -> dict[str, str]:
    return {name: TAKEN if text in DUPLICATES else text for name, text in found.items()}


def disabling_refused() -> ApiError:
    """Records of custom sources cannot be disabled, only deleted (docs: disabled_state)."""
    return ApiError(422, {"error": "Disabling is not supported for records of custom data sources"})
