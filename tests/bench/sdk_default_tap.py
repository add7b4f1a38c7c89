"""The same listing by a tap as the SDK's template makes it: what `tap-keap` is measured beside."""

from __future__ import annotations

import json
import sys
from typing import Any

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import JSONPathPaginator

from tap_keap.conform import load_schema


class Contacts(RESTStream[str]):
    name = "contacts"
    path = "/v2/contacts"
    records_jsonpath = "$.contacts[*]"
    next_page_token_jsonpath = "$.next_page_token"
    primary_keys = ("id",)
    replication_key = "update_time"

    @property
    def url_base(self) -> str:
        return str(self.config["api_url"])

    def get_new_paginator(self) -> JSONPathPaginator:
        return JSONPathPaginator(self.next_page_token_jsonpath)

    def get_url_params(self, context: Any, next_page_token: str | None) -> dict[str, Any]:
        del context
        return {"page_token": next_page_token} if next_page_token else {}


class DefaultTap(Tap):
    name = "sdk-default-tap"
    config_jsonschema = th.PropertiesList(th.Property("api_url", th.StringType)).to_dict()

    def discover_streams(self) -> list[Contacts]:
        return [Contacts(self, schema=load_schema("contacts"))]


if __name__ == "__main__":
    DefaultTap(config={"api_url": json.loads(sys.argv[1])}).sync_all()
