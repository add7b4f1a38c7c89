"""The single objects of an account, as a new application has them."""

from __future__ import annotations

from typing import Any

from sandbox.credentials import KEAP_TENANT


def single_objects() -> dict[str, Any]:
    """Return user info, profile, configuration and the custom-field models by name."""
    return {
        "userinfo": {
            "email": "owner@example.com", "sub": "4251", "id": "1", "keap_id": "owner@example.com",
            "family_name": "Reyes", "given_name": "Dana", "middle_name": None, "preferred_name": None,
            "is_admin": True, "tenant_id": KEAP_TENANT,
        },
        "business_profile": {
            "name": "Fernwood Coaching", "email": "office@example.com", "website": "https://example.com",
            "phone": "+1 480 555 0100",
            "address": {
                "line1": "1 Orchard Way", "line2": "", "locality": "Tempe", "region": "Arizona",
                "country_code": "USA", "postal_code": "85281",
            },
            "time_zone": "UTC", "logo_url": None, "currency_code": "USD", "language_tag": "en-US",
            "business_type": "Coaching", "business_goals": [], "business_primary_color": "#2e7d32",
            "business_secondary_color": "#ffffff",
        },
        "configuration": {
            "application": {
                "company": {"name": "Fernwood Coaching", "country": "United States", "email": "office@example.com"},
                "time_zone": "UTC", "default_view_locale": "en_US", "features_enabled": {"marketing": True},
            },
            "ecommerce": {
                "currency": "USD", "default_country": "United States", "default_charge_max_retry_attempts": 3,
                "default_number_of_days_between_charge_attempts": 2, "default_to_auto_charge": True,
                "track_inventory": False, "credit_card_types": "American Express,Discover,MasterCard,Visa",
                "payment_types": "Adjustment,Cash,Check,Credit,Credit Card,Money Order,PayPal,Refund,Write Off",
            },
            "invoice": {"tax_label": "Sales Tax"},
        },
        "contacts_model": _model(
            [
                _custom_field("12", "Tier", "tier", "DROPDOWN", "CONTACT", ["gold", "silver", "bronze"]),
                _custom_field("14", "Seats", "seats", "WHOLE_NUMBER", "CONTACT"),
            ],
            ["addresses", "company", "create_time", "custom_fields", "email_addresses", "update_time"],
        ),
        "orders_model": _model([_custom_field("31", "Sales Channel", "sales_channel", "TEXT", "ORDER")]),
        "subscriptions_model": _model([_custom_field("41", "Cohort", "cohort", "TEXT", "SUBSCRIPTION")]),
    }  # fmt: skip


def _model(custom_fields: list[dict[str, Any]], optional: list[str] | None = None) -> dict[str, Any]:
    return {"custom_fields": custom_fields, "optional_properties": optional or []}


def _custom_field(
    field_id: str, label: str, name: str, kind: str, record: str, options: list[str] | None = None
) -> dict[str, Any]:
    return {
        "id": field_id,
        "label": label,
        "options": [{"id": option, "label": option.title()} for option in options or ()],
        "record_type": record,
        "field_type": kind,
        "default_value": None,
        "group_id": "1",
        "group_name": "Custom Fields",
        "field_name": name,
    }
