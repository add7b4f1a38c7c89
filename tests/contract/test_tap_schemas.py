"""Every stream's schema against the models of Keap's official SDK: every field, of a type that can hold it."""

from __future__ import annotations

import types
from collections.abc import Iterator
from datetime import date, datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin

import keap_core_v2_client.models as keap
import pytest
from pydantic import BaseModel

from tap_keap.conform import load_schema
from tap_keap.stream_specs import STREAM_SPECS

MODELS: dict[str, list[type[BaseModel]]] = {
    "products": [keap.RestV2ProductList],
    "subscription_plans": [keap.SubscriptionPlan],
    "free_trial_discounts": [keap.FreeTrialDiscount],
    "contacts": [keap.Contact],
    "subscriptions": [keap.Subscription],
    "orders": [keap.OrderV2],
    "payments": [keap.Payment],
    "order_payments": [keap.InvoiceOrderPayment],
    "transactions": [keap.TransactionV2],
    "companies": [keap.Company],
    "tags": [keap.Tag],
    "tag_categories": [keap.TagCategory],
    "contact_tags": [keap.TaggedContact],
    "notes": [keap.Note],
    "tasks": [keap.Task],
    "opportunities": [keap.RestV2Opportunity],
    "affiliates": [keap.RestAffiliate],
    "users": [keap.User],
    "campaigns": [keap.Campaign],
    "automations": [keap.Automation],
    "emails": [keap.EmailSent],
    "lead_sources": [keap.LeadSource],
    "product_categories": [keap.ProductCategory],
    "payment_methods": [keap.PaymentMethod],
    "discounts": [keap.ProductDiscount, keap.OrderTotalDiscount, keap.CategoryDiscount, keap.ShippingDiscount],
    "contact_custom_fields": [keap.CustomFieldMetaData],
    "order_custom_fields": [keap.CustomFieldMetaData],
    "subscription_custom_fields": [keap.CustomFieldMetaData],
    "account": [keap.GetBusinessProfileResponse],
}

# A tagged contact's own fields are in `contacts`; its id is `contact_id`.
LEFT_OUT = {"contact_tags": {"id", "email", "given_name", "family_name"}}

KINDS: dict[type, set[str]] = {
    str: {"string"},
    bool: {"boolean"},
    int: {"integer", "number"},
    float: {"number"},
    datetime: {"string"},
    date: {"string"},
}


def differences(model: type[BaseModel], schema: dict[str, Any], path: str, seen: tuple[type, ...]) -> Iterator[str]:
    """Fields of the model that the schema lacks, or types as a value could not have."""
    properties = schema.get("properties", {})
    for name, field in model.model_fields.items():
        if name == "additional_properties":
            continue
        key = field.alias or name
        if key not in properties:
            yield f"{path}{key}: missing"
        else:
            yield from difference(field.annotation, properties[key], f"{path}{key}", (*seen, model))


def difference(annotation: Any, schema: dict[str, Any], path: str, seen: tuple[type, ...]) -> Iterator[str]:
    kinds = set(schema["type"])
    if annotation in {Any, object} or len(kinds) > 2:
        return
    origin = get_origin(annotation)
    if origin in {Union, types.UnionType}:
        parts = [part for part in get_args(annotation) if part is not type(None)]
        if {float, int} <= {base(part) for part in parts}:
            parts = [float]
        for part in parts:
            yield from difference(part, schema, path, seen)
    elif hasattr(annotation, "__metadata__"):
        yield from difference(get_args(annotation)[0], schema, path, seen)
    elif origin in {list, set}:
        if "array" not in kinds:
            yield f"{path}: {kinds} for a list"
        else:
            yield from difference(get_args(annotation)[0], schema["items"], f"{path}[]", seen)
    elif origin is dict:
        return
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in seen:
            yield from differences(annotation, schema, f"{path}.", seen)
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        if "string" not in kinds:
            yield f"{path}: {kinds} for an enumeration"
    else:
        wanted = KINDS.get(base(annotation), set())
        if not wanted & kinds:
            yield f"{path}: {kinds} for {annotation}"
        elif annotation is datetime and schema.get("format") != "date-time":
            yield f"{path}: no date-time"


def base(annotation: Any) -> Any:
    """`int` of `Annotated[int, Strict()]`."""
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def test_there_is_a_model_for_every_stream() -> None:
    assert set(MODELS) == {spec.name for spec in STREAM_SPECS}


@pytest.mark.parametrize("stream", sorted(MODELS))
def test_schema_holds_what_the_official_model_holds(stream: str) -> None:
    found: set[str] = set()
    for model in MODELS[stream]:
        found |= set(differences(model, load_schema(stream), "", ()))
    assert found - {f"{name}: missing" for name in LEFT_OUT.get(stream, ())} == set()


@pytest.mark.parametrize("stream", sorted(MODELS))
def test_only_keys_are_required_to_have_a_value(stream: str) -> None:
    spec = next(spec for spec in STREAM_SPECS if spec.name == stream)
    properties = load_schema(stream)["properties"]
    assert {name for name, part in properties.items() if "null" not in part["type"]} == set(spec.primary_keys)
    if spec.replication_key:
        assert properties[spec.replication_key]["format"] == "date-time"
