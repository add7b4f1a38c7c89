"""One contact as ChartMogul's customer: name, company, e-mail, address, tags (3.2 to 3.4, 3.8, 9.1, 9.2)."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from target_chartmogul.billing.emails import email_fingerprint, is_valid_email
from target_chartmogul.billing.objects import Customer
from target_chartmogul.sources.keap.records import Address, Contact, CustomField, OrderContact
from target_chartmogul.sources.keap.settings import MappingSettings

TEXT_LIMIT = 255
"""ChartMogul's limit on texts (rule 9.1)."""
_ADDRESS_ORDER = {"BILLING": 0, "SHIPPING": 1, "OTHER": 2}


class Email(msgspec.Struct, frozen=True, kw_only=True):
    """What a contact's addresses come to: the one to send, and whether there was something that is not sent."""

    address: str | None = None
    dropped: bool = False
    """No field gave a valid address, and one held something (rule 9.1)."""
    refused: str | None = None
    """Fingerprint of an address that ChartMogul refused and that is not tried again (rule 9.9)."""


def text(value: str | None) -> str | None:
    """Rule 9.1: stripped, cut to 255 characters; empty is None."""
    return (value or "").strip()[:TEXT_LIMIT].rstrip() or None


def customer_of_contact(contact: Contact, email: str | None, settings: MappingSettings, now: datetime) -> Customer:
    """The customer of a contact, without trial."""
    company = text(contact.company.company_name) if contact.company else None
    address = _address(contact.addresses)
    return Customer(
        external_id=str(contact.id),
        name=_name(contact.given_name, contact.family_name, company, str(contact.id)),
        company=company,
        email=email,
        country=_country(address.country_code) if address else None,
        state=_state(address.region_code) if address else None,
        city=text(address.locality) if address else None,
        zip=text(address.postal_code) or text(address.zip_code) if address else None,
        lead_created_at=past(contact.create_time, now),
        tags=_tags(contact, settings),
        custom=_custom(contact, settings),
    )


def past(moment: datetime | None, now: datetime) -> datetime | None:
    """An instant that ChartMogul takes as a customer's date: not in the future (rule 3.5), to the second."""
    return moment.replace(microsecond=0) if moment is not None and moment <= now else None


def customer_of_order(block: OrderContact, email: str | None) -> Customer:
    """The customer of a contact that is gone, from the order that names it (rules 3.1, 9.3)."""
    return Customer(
        external_id=str(block.id),
        name=_name(block.given_name, block.family_name, None, str(block.id)),
        email=email,
    )


def email_of_contact(contact: Contact, refused: str | None, settings: MappingSettings) -> Email:
    """§0 f and rule 3.3: the first valid address of `email_fields`, in that order.

    Args:
        contact: the contact.
        refused: fingerprint of the address that ChartMogul refused, if it did.
        settings: `email_fields` counts here.
    """
    held = {each.field: (each.email or "").strip() for each in reversed(contact.email_addresses or ())}
    return _email([held.get(field, "") for field in settings.email_fields], refused)


def email_of_order(block: OrderContact, refused: str | None, settings: MappingSettings) -> Email:
    """Rule 9.3: the e-mail of a contact that is gone counts as EMAIL1."""
    return _email([(block.email or "").strip() if "EMAIL1" in settings.email_fields else ""], refused)


def _email(candidates: list[str], refused: str | None) -> Email:
    for address in candidates:
        if address and is_valid_email(address):
            if refused and email_fingerprint(address) == refused:
                return Email(refused=refused)
            return Email(address=address)
    return Email(dropped=any(candidates))


def _name(given: str | None, family: str | None, company: str | None, contact_id: str) -> str:
    full = text(" ".join(part for part in ((given or "").strip(), (family or "").strip()) if part))
    return full or company or f"Keap contact {contact_id}"


def _address(addresses: list[Address] | None) -> Address | None:
    """Rules 3.4 and 9.2: BILLING, SHIPPING, OTHER, else the first, that has any content."""
    ranked = sorted(addresses or (), key=lambda each: _ADDRESS_ORDER.get(each.field or "", 3))
    return next((each for each in ranked if _has_content(each)), None)


def _has_content(address: Address) -> bool:
    parts = (
        address.line1,
        address.line2,
        address.locality,
        address.region_code,
        address.country_code,
        address.postal_code,
        address.zip_code,
    )
    return any(part and part.strip() for part in parts)


def _country(alpha_3: str | None) -> str | None:
    return _alpha_2_by_alpha_3().get((alpha_3 or "").strip().upper())


@cache
def _alpha_2_by_alpha_3() -> dict[str, str]:
    import pycountry  # noqa: PLC0415 - 40 ms that a run without addresses does not need

    return {country.alpha_3: country.alpha_2 for country in pycountry.countries}


def _state(region_code: str | None) -> str | None:
    """The part behind the country; without a country it says nothing (rule 9.2)."""
    country, hyphen, region = (region_code or "").partition("-")
    return text(region) if hyphen and country.strip() else None


def _tags(contact: Contact, settings: MappingSettings) -> tuple[str, ...]:
    if not settings.customer_tags:
        return ()
    wanted = (settings.customer_tags.get(str(each)) for each in contact.tag_ids or ())
    return tuple(sorted({tag for each in wanted if (tag := text(each))}))


def _custom(contact: Contact, settings: MappingSettings) -> tuple[tuple[str, str], ...]:
    if not settings.customer_attributes:
        return ()
    found: dict[str, str] = {}
    for field in contact.custom_fields or ():
        key, value = settings.customer_attributes.get(str(field.id)), _content(field)
        if key and value:
            found.setdefault(key, value)
    return tuple(sorted(found.items()))


def _content(field: CustomField) -> str | None:
    return text(_plain(field.content))


def _plain(content: Any) -> str | None:
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, bool):
        return "true" if content else "false"
    if isinstance(content, list):
        return ", ".join(part for each in content if (part := _plain(each)))
    if isinstance(content, dict):
        return msgspec.json.encode(content, order="sorted").decode()
    return str(content)
