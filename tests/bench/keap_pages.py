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
MARK = "PPPP"
"""Stands for the page's number, four digits, in all ids of the template."""

TEXTS = (
    "given_name family_name middle_name preferred_name prefix suffix job_title website contact_type spouse_name "
    "preferred_locale referral_code account_id assistant_name assistant_phone billing_information groups"
)


def contact(number: int) -> dict[str, object]:
    """One contact of 31 fields and some 1.4 kB; `number` is its place on the page."""
    moment = f"2026-0{number % 9 + 1}-1{number % 10}T0{number % 10}:00:00Z"
    address = {"locality": "Tempe", "region_code": "US-AZ", "country_code": "USA", "postal_code": "85281"}
    return {
        "id": f"{MARK}{number:03d}",
        **{name: f"{name} {number}" for name in TEXTS.split()},
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
            {"field": "BILLING", "line1": f"{number} Elm St", **address},
            {"field": "SHIPPING", "line1": f"{number} Oak St", **address},
        ],
        "company": {"id": "88", "company_name": "Quill & Co"},
        "phone_numbers": [{"field": "PHONE1", "number": "555-0100", "number_e164": "+15550100", "type": "Work"}],
        "tag_ids": ["101", "102", "103"],
    }


async def serve(rows: int, latency: float) -> None:
    """Answer until killed."""
    template = json.dumps([contact(number) for number in range(PAGE_ROWS)]).encode()
    pages = rows // PAGE_ROWS

    def answer_to(head: bytes) -> bytes:
        target = urlsplit(head.split(b" ", 2)[1].decode())
        if not target.path.endswith("/contacts"):
            body = b"{}"
        else:
            page = int(parse_qs(target.query).get("page_token", ["0"])[0])
            token = f'"{page + 1}"' if page + 1 < pages else "null"
            numbered = template.replace(MARK.encode(), str(1000 + page).encode())
            body = b'{"contacts": ' + numbered + f', "next_page_token": {token}}}'.encode()
        return (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(latency)
                writer.write(answer_to(head))
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
