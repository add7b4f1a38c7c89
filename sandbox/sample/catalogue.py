"""What the sample business sells: products with their plans, and its free-trial discounts."""

from __future__ import annotations

from datetime import UTC, datetime

from sandbox.keap.values import Row
from sandbox.sample import rows

_SINCE = datetime(2022, 12, 1, 10, tzinfo=UTC)

COACHING_MONTHLY = rows.plan(7, "MONTHLY", 1, 4900)
COACHING_QUARTERLY = rows.plan(8, "MONTHLY", 3, 13500, index=1)
COACHING_YEARLY = rows.plan(9, "YEARLY", 1, 49000, index=2)
COACHING = rows.product(
    31, "Coaching Membership", "COACH", _SINCE, (COACHING_MONTHLY, COACHING_QUARTERLY, COACHING_YEARLY)
)
BOX_WEEKLY = rows.plan(12, "WEEKLY", 1, 1500)
BOX_TWO_WEEKLY = rows.plan(13, "WEEKLY", 2, 2800, index=1)
BOX = rows.product(40, "Produce Box", "BOX", _SINCE, (BOX_WEEKLY, BOX_TWO_WEEKLY), taxable=False)
STARTER_MONTHLY = rows.plan(17, "MONTHLY", 1, 3333)
STARTER = rows.product(43, "Starter Plan", "START", _SINCE, (STARTER_MONTHLY,))
STUDIO_MONTHLY = rows.plan(20, "MONTHLY", 1, 5000, "JPY")
STUDIO_YEARLY = rows.plan(21, "YEARLY", 1, 54000, "JPY", index=1)
STUDIO = rows.product(47, "Online Studio", "STUDIO", _SINCE, (STUDIO_MONTHLY, STUDIO_YEARLY), currency="JPY")
DAILY_NOTES_PLAN = rows.plan(24, "DAILY", 30, 900)
DAILY_NOTES = rows.product(49, "Daily Notes", "NOTES", _SINCE, (DAILY_NOTES_PLAN,), taxable=False)
GIFT_CARD = rows.product(51, "Gift Card", "GIFT", _SINCE, price=2500, taxable=False)
JOURNAL = rows.product(52, "Journal", "JOUR", _SINCE, price=3333)
MUG = rows.product(53, "Mug", "MUG", _SINCE, price=1450)
WORKSHOP = rows.product(54, "Workshop Day", "WORK", _SINCE, price=19900)
POSTER = rows.product(56, "Poster", "POST", _SINCE, price=1800, currency="JPY")

PRODUCTS: tuple[Row, ...] = (
    COACHING, BOX, STARTER, STUDIO, DAILY_NOTES, GIFT_CARD, JOURNAL, MUG, WORKSHOP, POSTER,
    {**rows.product(58, "Retired Course", "OLD", _SINCE, price=9900), "active": False},
)  # fmt: skip

FREE_TRIALS: tuple[Row, ...] = (
    {
        "id": "5",
        "name": "14 days free",
        "description": "Two weeks to try the membership",
        "criteria": [],
        "hide_price": False,
        "subscription_plan_id": "7",
        "free_trial_days": 14,
    },
    {
        "id": "6",
        "name": "First month of the studio",
        "description": None,
        "criteria": [],
        "hide_price": True,
        "subscription_plan_id": "20",
        "free_trial_days": 30,
    },
)
