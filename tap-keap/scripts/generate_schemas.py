"""Write `tap_keap/schemas/*.json` from Keap's OpenAPI document for REST v2.

    python tap-keap/scripts/generate_schemas.py path/to/keap-v2-swagger.yml

The document is not part of this repository; Keap publishes it with its SDK. Every field but the primary key is
nullable, because no response of Keap v2 declares required fields and rows of older editions lack many. Enumerations
are dropped, because Keap adds values without notice. Descriptions are not taken over.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).resolve().parent.parent / "tap_keap" / "schemas"

COMPONENTS = {
    "products": "RestV2Product_List",
    "subscription_plans": "SubscriptionPlan",
    "free_trial_discounts": "FreeTrialDiscount",
    "contacts": "Contact",
    "subscriptions": "Subscription",
    "orders": "OrderV2",
    "payments": "Payment",
    "order_payments": "InvoiceOrderPayment",
    "transactions": "TransactionV2",
    "companies": "Company",
    "tags": "Tag",
    "tag_categories": "TagCategory",
    "contact_tags": "TaggedContact",
    "notes": "Note",
    "tasks": "Task",
    "opportunities": "RestV2Opportunity",
    "affiliates": "RestAffiliate",
    "users": "User",
    "campaigns": "Campaign",
    "automations": "Automation",
    "emails": "EmailSent",
    "lead_sources": "LeadSource",
    "product_categories": "ProductCategory",
    "payment_methods": "PaymentMethod",
    "discounts": "ProductDiscount OrderTotalDiscount CategoryDiscount ShippingDiscount",
    "contact_custom_fields": "CustomFieldMetaData",
    "order_custom_fields": "CustomFieldMetaData",
    "subscription_custom_fields": "CustomFieldMetaData",
    "account": "GetBusinessProfileResponse",
}

STRING = {"type": ["string", "null"]}

# What the tap adds to the rows of Keap, or what the document leaves out although rows have it.
ADDED: dict[str, dict[str, Any]] = {
    "subscription_plans": {"product_id": STRING},
    "transactions": {"transaction_key": {"type": ["string"]}},
    "order_payments": {"order_id": STRING},
    "contact_tags": {"contact_id": {"type": ["string"]}, "tag_id": {"type": ["string"]}},
    "discounts": {"kind": {"type": ["string"]}},
    "account": {
        "default_country": STRING,
        "payment_types": {"items": STRING, "type": ["array", "null"]},
        "credit_card_types": {"items": STRING, "type": ["array", "null"]},
        "tax_label": STRING,
    },
}
# A tagged contact's name and address are in `contacts`; here is only which contact has which tag.
LEFT_OUT = {"contact_tags": {"id", "email", "given_name", "family_name"}}
PRIMARY_KEYS = {
    "transactions": ["transaction_key"],
    "contact_tags": ["tag_id", "contact_id"],
    "discounts": ["kind", "id"],
    "payment_methods": ["payment_method_id"],
}
# Fields that the document types as plain strings, and that Keap fills with instants.
INSTANTS_BY_NAME = ("_time",)
ANY = {"type": ["string", "number", "boolean", "array", "object", "null"]}


def nullable(schema: dict[str, Any], kind: str) -> dict[str, Any]:
    """The schema with a type that allows null."""
    return {**schema, "type": [kind, "null"]}


def convert(name: str, node: dict[str, Any], components: dict[str, Any], seen: tuple[str, ...]) -> dict[str, Any]:
    """One node of the OpenAPI document as a nullable JSON schema."""
    if "$ref" in node:
        target = node["$ref"].rsplit("/", 1)[-1]
        if target in seen:
            return dict(ANY)
        return convert(name, components[target], components, (*seen, target))
    for combiner in ("allOf", "oneOf", "anyOf"):
        if combiner in node:
            merged: dict[str, Any] = {"type": ["object", "null"], "properties": {}}
            parts = [convert(name, part, components, seen) for part in node[combiner]]
            objects = [part for part in parts if "properties" in part]
            if not objects:
                return parts[0]
            for part in objects:
                merged["properties"].update(part["properties"])
            return merged
    kind = node.get("type")
    if isinstance(kind, list):
        kind = next((entry for entry in kind if entry != "null"), None)
    if kind == "object" and node.get("properties"):
        properties = {key: convert(key, value, components, seen) for key, value in sorted(node["properties"].items())}
        return nullable({"properties": properties}, "object")
    if kind == "array":
        return nullable({"items": convert(name, node.get("items", {}), components, seen)}, "array")
    if kind in {"integer", "number", "boolean"}:
        return nullable({}, kind)
    if kind == "string":
        form = node.get("format")
        if form in {"date-time", "date"}:
            return nullable({"format": form}, "string")
        if name.endswith(INSTANTS_BY_NAME):
            return nullable({"format": "date-time"}, "string")
        return dict(STRING)
    return dict(ANY)


def stream_schema(stream: str, components: dict[str, Any]) -> dict[str, Any]:
    """The schema of a stream: Keap's fields and those that the tap adds."""
    properties: dict[str, Any] = {}
    for component in COMPONENTS[stream].split():
        properties.update(convert("", {"$ref": f"#/components/schemas/{component}"}, components, ())["properties"])
    for name in LEFT_OUT.get(stream, ()):
        properties.pop(name, None)
    properties.update(ADDED.get(stream, {}))
    for key in PRIMARY_KEYS.get(stream, ["id"]):
        properties[key] = {"type": ["string"]}
    return {"type": "object", "properties": dict(sorted(properties.items()))}


def main() -> None:
    """Write all schemas."""
    document = yaml.load(Path(sys.argv[1]).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    components = document["components"]["schemas"]
    SCHEMAS.mkdir(exist_ok=True)
    for stream in COMPONENTS:
        text = json.dumps(stream_schema(stream, components), indent=2) + "\n"
        (SCHEMAS / f"{stream}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
