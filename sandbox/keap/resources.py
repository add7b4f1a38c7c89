"""All listings, by meaning in the modules beside."""

from __future__ import annotations

from sandbox.keap.billing_resources import BILLING
from sandbox.keap.crm_resources import ACTIVITY, CATALOGUE, PEOPLE, TAGS
from sandbox.keap.resource import Resource

RESOURCES: tuple[Resource, ...] = (*BILLING, *PEOPLE, *TAGS, *ACTIVITY, *CATALOGUE)
