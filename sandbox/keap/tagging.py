"""Which contact has which tag: four listings of the same facts.

A contact's ``tag_ids`` say which tags it has. When a tag was applied stands in the rows of ``contact_tags``
(``contact_id``, ``tag_id``, ``applied_time``); without such a row it was when the contact was last updated.
"""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.keap.store import Store
from sandbox.keap.values import Row


def _applied(store: Store) -> dict[tuple[str, str], str]:
    rows = store.tables["contact_tags"].rows.values()
    return {(str(row["contact_id"]), str(row["tag_id"])): str(row["applied_time"]) for row in rows}


def associations(store: Store) -> Iterator[Row]:
    """Yield what ``contacts/-/tags`` and ``tags/-/contacts`` list: contact, tag and time."""
    applied = _applied(store)
    for contact in store.tables["contacts"].rows.values():
        for tag_id in contact.get("tag_ids") or ():
            yield {
                "contact_id": contact["id"],
                "tag_id": str(tag_id),
                "applied_at": applied.get((contact["id"], str(tag_id)), contact.get("update_time")),
            }


def tags_of_contact(store: Store, contact: Row) -> Iterator[Row]:
    """Yield the rows of ``contacts/{id}/tags``."""
    applied = _applied(store)
    for tag_id in contact.get("tag_ids") or ():
        tag = store.tables["tags"].rows.get(str(tag_id))
        time = applied.get((contact["id"], str(tag_id)), contact.get("update_time"))
        yield {"tag": tag or {"id": str(tag_id)}, "applied_time": time}


def contacts_of_tag(store: Store, tag_id: str) -> Iterator[Row]:
    """Yield the rows of ``tags/{id}/contacts``."""
    applied = _applied(store)
    for row_id in store.tables["contacts"].having("tag_ids", [tag_id]):
        contact = store.tables["contacts"].rows[row_id]
        emails = contact.get("email_addresses") or [{}]
        yield {
            "id": contact["id"],
            "email": emails[0].get("email"),
            "given_name": contact.get("given_name"),
            "family_name": contact.get("family_name"),
            "applied_time": applied.get((contact["id"], tag_id), contact.get("update_time")),
        }
