"""What else the sample business keeps in its CRM: tags, notes, tasks, opportunities and the like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.clock import format_instant
from sandbox.keap.values import Row

_OPENED = datetime(2023, 11, 6, 9, tzinfo=UTC)


def _time(days: int, minutes: int = 0) -> str:
    return format_instant(_OPENED + timedelta(days=days, minutes=minutes))


def crm_streams(contacts: list[Row]) -> dict[str, Any]:
    """Return the streams besides billing; what belongs to contacts goes by turns to the given ones."""
    people = [contact["id"] for contact in contacts]
    return {
        "companies": _companies(),
        "users": _users(),
        "affiliates": _affiliates(people),
        "tag_categories": [
            {"id": str(number), "name": name, "description": None, "create_time": _time(0), "update_time": _time(9)}
            for number, name in ((1, "Interests"), (2, "Lifecycle"))
        ],
        "tags": _tags(),
        "contact_tags": [
            {"contact_id": contact["id"], "tag_id": tag_id, "applied_time": contact["create_time"]}
            for contact in contacts
            for tag_id in contact["tag_ids"]
        ],
        "notes": [_note(number, people) for number in range(60)],
        "tasks": [_task(number, people) for number in range(40)],
        "opportunities": [_opportunity(number, contacts) for number in range(12)],
        "emails": [_email(number, contacts) for number in range(80)],
        "campaigns": [_campaign(number) for number in range(4)],
        "automations": [_automation(number) for number in range(3)],
        "lead_sources": [_lead_source(number) for number in range(5)],
        "product_categories": [
            {"id": "3", "name": "Coaching", "display_order_index": 0, "parent_category_id": None},
            {"id": "4", "name": "Goods", "display_order_index": 1, "parent_category_id": None},
        ],
        "payment_methods": [_payment_method(number, people) for number in range(30)],
        "product_discounts": [
            _discount("22", "Loyalty 15%", product_id="43", discount_type="PERCENT", discount_value=15.0)
        ],
        "order_total_discounts": [
            _discount("23", "Welcome 10%", discount_type="PERCENT", discount_value=10.0, discount_strategy="GROSS")
        ],
        "category_discounts": [_discount("24", "Goods 5%", discount_percent=5.0, product_categories=["4"])],
        "shipping_discounts": [
            {"id": "25", "name": "Free shipping", "description": None, "criteria": [], "discount_type": "PERCENT",
             "discount_value": 100.0}
        ],
        "merchants": [{"id": "4", "name": "Main", "type": "STRIPE", "is_test": False}],
    }  # fmt: skip


def _companies() -> list[Row]:
    return [
        {
            "id": str(9001 + number),
            "company_name": name,
            "website": "https://example.org",
            "address": {"field": "BILLING", "locality": "Mesa", "region_code": "US-AZ", "country_code": "USA"},
            "email_address": {"email": f"office{number}@example.org", "field": "EMAIL1"},
            "phone_number": {"field": "PHONE1", "number": "(480) 555-0100", "extension": "", "type": "Work"},
            "fax_number": None,
            "notes": None,
            "custom_fields": [],
            "create_time": _time(number),
            "update_time": _time(10 * number),
        }
        for number, name in enumerate(("Bright & Sons", "Cactus Ltd", "Delta Studio"))
    ]


def _users() -> list[Row]:
    return [
        {
            "id": str(number),
            "given_name": given,
            "family_name": family,
            "status": "ACTIVE",
            "admin": number == 1,
            "partner": False,
            "email_addresses": [{"email": f"{given.lower()}@example.com", "field": "EMAIL1"}],
            "created_by": 1,
            "updated_by": 1,
            "create_time": _time(0),
            "update_time": _time(number),
        }
        for number, given, family in ((1, "Dana", "Reyes"), (2, "Theo", "Vance"))
    ]


def _affiliates(people: list[str]) -> list[Row]:
    return [
        {
            "id": "8", "code": "FRIEND", "name": "A friend of the house", "status": "ACTIVE", "contact_id": people[0],
            "date_created": _time(30), "parent_affiliate_id": None, "notify_on_sale": True, "notify_on_lead": False,
            "track_leads_days": 30, "custom_fields": [],
        }
    ]  # fmt: skip


def _tags() -> list[Row]:
    names = ("Newsletter", "Webinar", "VIP", "Trial", "Former")
    return [
        {
            "id": str(101 + number),
            "name": name,
            "description": f"Contacts of the kind {name}",
            "category": {"id": str(1 + number // 3)},
            "create_time": _time(number),
            "update_time": _time(20 + number),
        }
        for number, name in enumerate(names)
    ]


def _note(number: int, people: list[str]) -> Row:
    return {
        "id": str(301 + number),
        "title": f"Call {number}",
        "text": "Asked about the schedule.",
        "type": "CALL",
        "contact_id": people[number % len(people)],
        "assigned_to_user": {"id": "1", "given_name": "Dana", "family_name": "Reyes", "email_address": None},
        "create_time": _time(10 * number),
        "update_time": _time(10 * number, 30),
        "created_by_user_id": "1",
        "last_updated_by_user_id": "1",
        "pinned_at": None,
        "custom_fields": [],
    }


def _task(number: int, people: list[str]) -> Row:
    done = number % 3 == 0
    return {
        "id": str(501 + number),
        "title": f"Follow up {number}",
        "description": None,
        "type": "CALL",
        "priority": ("CRITICAL", "ESSENTIAL", "NONESSENTIAL")[number % 3],
        "completed": done,
        "create_time": _time(12 * number),
        "modification_time": _time(12 * number, 45),
        "completion_time": _time(12 * number, 45) if done else None,
        "due_time": _time(12 * number + 2) if number % 2 else None,
        "remind_time_mins": 30,
        "assigned_to_user_id": "2",
        "created_by_user_id": "1",
        "last_updated_by_user_id": "1",
        "contact_id": people[(7 * number) % len(people)],
        "opportunity_id": None,
        "accepted": True,
        "custom_fields": [],
    }


def _opportunity(number: int, contacts: list[Row]) -> Row:
    contact = contacts[(3 * number) % len(contacts)]
    return {
        "id": str(601 + number),
        "opportunity_title": f"Group booking {number}",
        "contact": {"id": contact["id"], "first_name": contact["given_name"], "last_name": contact["family_name"]},
        "stage": {"id": "1", "name": "New", "details": None, "reasons": []},
        "user": {"id": "1", "first_name": "Dana", "last_name": "Reyes"},
        "next_action_time": _time(60 * number + 5),
        "estimated_close_time": _time(60 * number + 40),
        "include_in_forecast": True,
        "projected_revenue_low": 250.0,
        "projected_revenue_high": 900.0 + number,
        "created_time": _time(60 * number),
        "last_updated_time": _time(60 * number + 3),
        "affiliate_id": None,
        "lead_source": "Website",
        "custom_fields": [],
        "created_by": "1",
        "last_updated_by": "1",
        "status_id": "1",
    }


def _email(number: int, contacts: list[Row]) -> Row:
    contact = contacts[(5 * number) % len(contacts)]
    return {
        "id": str(701 + number),
        "subject": f"Letter {number}",
        "headers": None,
        "contact_id": contact["id"],
        "sent_to_address": f"reader{number}@example.com",
        "sent_to_cc_address_list": [],
        "sent_to_bcc_address_list": [],
        "sent_from_address": "office@example.com",
        "sent_from_reply_address": "office@example.com",
        "sent_time": _time(7 * number),
        "received_time": _time(7 * number, 1),
        "opened_time": _time(7 * number, 90) if number % 2 else None,
        "clicked_time": None,
        "original_provider": "INFUSIONSOFT",
        "original_provider_id": None,
    }


def _campaign(number: int) -> Row:
    return {
        "id": str(801 + number), "name": f"Campaign {number}", "locked": False, "date_created": _time(90 * number),
        "published_date": _time(90 * number + 3), "published_status": True, "error_message": None, "time_zone": "UTC",
        "published_time_zone": "UTC", "created_by_global_id": "4251", "active_contact_count": 10 * number,
        "completed_contact_count": 5,
    }  # fmt: skip


def _automation(number: int) -> Row:
    return {
        "id": str(851 + number), "title": f"Welcome {number}", "categories": ["1"],
        "status": "DRAFT" if number == 2 else "PUBLISHED", "locked": False, "active_contacts": number,
        "error_message": None, "published_date": _time(100 + number), "published_by": "Dana Reyes",
        "published_timezone": "UTC", "current_edit_lock_status": {"locked": False},
    }  # fmt: skip


def _lead_source(number: int) -> Row:
    return {
        "id": str(901 + number), "name": f"Source {number}", "description": None, "vendor": "Fair", "medium": "Print",
        "message": None, "status": "ACTIVE", "lead_source_category_id": None, "start_time": _time(number),
        "end_time": None, "create_time": _time(number), "update_time": _time(number + 1),
    }  # fmt: skip


def _payment_method(number: int, people: list[str]) -> Row:
    return {
        "contact_id": people[number], "payment_method_id": str(1901 + number), "credit_card_id": str(311 + number),
        "merchant_account_type": "STRIPE", "merchant_account_id": "4", "payment_method_type": "CARD",
        "created_time": _time(30 * number),
        "card_info": {
            "brand": "VISA", "fingerprint": f"fp_{number}", "card_type": "CREDIT", "last_four": "4242",
            "expiration_year": "2028", "expiration_month": "07",
        },
        "status": None,
    }  # fmt: skip


def _discount(discount_id: str, name: str, **changes: Any) -> Row:
    row: Row = {"id": discount_id, "name": name, "description": None, "criteria": [], "apply_to_commissions": True}
    return {**row, **changes}
