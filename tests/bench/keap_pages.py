"""A server of ready-made Keap contact pages, as fast as a socket: what a bench of the tap reads from.

    python tests/bench/keap_pages.py --rows 100000 [--latency 0.15]

Prints its address when it is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from urllib.parse import parse_qs, urlsplit

PAGE_ROWS = 1000


def contact(number: int) -> dict[str, object]:
    """One contact of 31 fields and some 1.3 kB."""
    moment = f"2026-0{number % 9 + 1}-1{number % 10}T0{number % 10}:00:00Z"
    text = {
        name: f"{name} {number % 977}"
        for name in (
            "given_name family_name middle_name preferred_name prefix suffix job_title website contact_type spouse_name "
            "preferred_locale referral_code account_id assistant_name assistant_phone billing_information groups"
        ).split()
    }
    return {
        "id": str(number),
        **text,
        "create_time": moment,
        "update_time": moment,
        "owner_id": "1",
        "leadsource_id": "2",
        "source_type": "API",
        "score_value": "10",
        "time_zone": "America/Phoenix",
        "email_addresses": [
            {
                "email": f"c{number}@example.com",
                "field": "EMAIL1",
                "is_opt_in": True,
                "email_opt_status": "SINGLE_OPT_IN",
            }
        ],
        "addresses": [
            {
                "field": "BILLING",
                "line1": f"{number} Elm St",
                "locality": "Tempe",
                "region_code": "US-AZ",
                "country_code": "USA",
                "postal_code": "85281",
            },
            {
                "field": "SHIPPING",
                "line1": f"{number} Oak St",
                "locality": "Tempe",
                "region_code": "US-AZ",
                "country_code": "USA",
                "postal_code": "85281",
            },
        ],
        "company": {"id": "88", "company_name": "Quill & Co"},
        "phone_numbers": [{"field": "PHONE1", "number": "555-0100", "number_e164": "+15550100", "type": "Work"}],
        "tag_ids": ["101", "102", "103"],
    }


def page(first: int, rows: int) -> bytes:
    """One page as Keap sends it."""
    last = min(first + PAGE_ROWS, rows)
    token = str(last) if last < rows else None
    body = json.dumps(
        {"contacts": [contact(number) for number in range(first + 1, last + 1)], "next_page_token": token}
    ).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "x-keap-product-throttle-limit: 1000000\r\nx-keap-product-throttle-available: 999999\r\n\r\n"
    )
    return head.encode() + body


async def serve(rows: int, latency: float) -> None:
    """Answer until killed."""
    ready = {str(first): page(first, rows) for first in range(0, rows, PAGE_ROWS)}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                query = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
                await asyncio.sleep(latency)
                writer.write(ready[query.get("page_token", ["0"])[0]])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/crm/rest", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(serve(options.rows, options.latency))
