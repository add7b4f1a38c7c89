"""What a customer request may set (fact sheet §3.3.1)."""

from __future__ import annotations

from typing import Any

from sandbox.chartmogul import errors, places
from sandbox.chartmogul.fields import Reader, is_email
from sandbox.chartmogul.records import Customer

TEXTS = ("name", "company", "city", "zip", "website_url")
LEAD_STATUSES = ("New Lead", "Working Lead", "Qualified Lead", "Unqualified Lead")
TYPES: dict[str, tuple[type, ...]] = {
    "String": (str,), "Integer": (int,), "Decimal": (int, float), "Timestamp": (str,), "Boolean": (bool,)
}  # fmt: skip


def read(reader: Reader) -> dict[str, Any]:
    """The known fields that are in the request, checked and in the form of `Customer`'s attributes."""
    found: dict[str, Any] = {}
    for name in TEXTS:
        if reader.has(name):
            value = reader.text(name)
            found[name] = value if name not in ("name", "company") else value or ""
    for name in ("lead_created_at", "free_trial_started_at"):
        if reader.has(name):
            found[name] = reader.moment(name, past="must be in the past")
    if reader.has("email"):
        found["email"] = _email(reader, reader.data["email"], "email")
    if reader.has("country"):
        found["country"] = country = reader.text("country")
        if country is not None and not places.is_country(country):
            reader.note("country", "is not a valid ISO 3166-1 alpha-2 country code")
    if reader.has("state"):
        found["state"] = reader.text("state")
    if reader.has("owner"):
        found["owner"] = _email(reader, reader.data["owner"], "owner") or None
    if reader.has("status"):
        found["lead_status"] = reader.choice("status", LEAD_STATUSES) or "New Lead"
    if reader.has("primary_contact"):
        found |= _primary_contact(reader)
    return found


def _email(reader: Reader, value: Any, name: str) -> str:
    if value is None or value == "":
        return ""
    if not is_email(value):
        reader.note(name, errors.BAD_EMAIL)
        return ""
    return str(value)


def _primary_contact(reader: Reader) -> dict[str, Any]:
    contact = reader.data["primary_contact"]
    if contact is None:
        return {"primary_contact": None}
    if not isinstance(contact, dict):
        reader.note("primary_contact", errors.INVALID)
        return {}
    found: dict[str, Any] = {"primary_contact": contact}
    if "email" in contact:
        found["email"] = _email(reader, contact["email"], "primary_contact.email")
    return found


def apply(customer: Customer, values: dict[str, Any]) -> None:
    """Set checked values; a state that the country does not have is dropped."""
    for name, value in values.items():
        setattr(customer, name, value)
    if "state" in values or "country" in values:
        customer.state = places.state_code(customer.country, customer.state)


def set_attributes(customer: Customer, attributes: Any, types: dict[str, str], reader: Reader) -> None:
    """`tags` replace the customer's; `custom`, as a list of typed values or as a map, is merged into them."""
    if attributes is None:
        return
    if not isinstance(attributes, dict):
        reader.note("attributes", errors.INVALID)
        return
    tags, custom = attributes.get("tags"), attributes.get("custom")
    if tags is not None:
        if isinstance(tags, list) and all(isinstance(tag, str) and tag for tag in tags):
            customer.tags = list(dict.fromkeys(tags))
        else:
            reader.note("attributes.tags", errors.INVALID)
    if custom is not None:
        customer.custom |= typed_custom(custom, types, reader)


def typed_custom(custom: Any, types: dict[str, str], reader: Reader) -> dict[str, Any]:
    """Custom attributes by key. The first use of a key fixes its type for the account."""
    if isinstance(custom, dict):
        custom = [{"key": key, "value": value} for key, value in custom.items()]
    found: dict[str, Any] = {}
    if not isinstance(custom, list) or not all(isinstance(entry, dict) for entry in custom):
        reader.note("custom", errors.INVALID)
        return found
    for entry in custom:
        key, value, kind = entry.get("key"), entry.get("value"), entry.get("type")
        if not isinstance(key, str) or not key.replace("_", "a").isalnum():
            reader.note("custom", "key may contain letters, digits and underscores only")
            continue
        kind = kind or types.get(key) or _guess(value)
        if kind not in TYPES or types.get(key, kind) != kind:
            reader.note(f"custom.{key}", "type is invalid")
        elif value is not None and not _fits(value, kind):
            reader.note(f"custom.{key}", f"is not a valid {kind}")
        else:
            types[key] = kind
            found[key] = value
    return found


def _guess(value: Any) -> str:
    if isinstance(value, bool):
        return "Boolean"
    return {int: "Integer", float: "Decimal"}.get(type(value), "String")


def _fits(value: Any, kind: str) -> bool:
    if isinstance(value, bool) != (kind == "Boolean"):
        return False
    return isinstance(value, TYPES[kind]) and (not isinstance(value, str) or len(value) <= 255)
