"""The credentials that the sandbox accepts. They open nothing else."""

from __future__ import annotations

KEAP_API_KEY = "KeapAK-5a4d0b7c1e9f4a3d8b6c2f7e1d0a9b8c7d6e5f4a3b2c1d0e9f"
KEAP_PERSONAL_ACCESS_TOKEN = "KeapAK-0c1b2a39485766554433221100ffeeddccbbaa998877665544"  # noqa: S105
KEAP_CLIENT_ID = "sandboxclientid4f6a8b0c2d4e6f80"
KEAP_CLIENT_SECRET = "sandboxclientsecret"  # noqa: S105
KEAP_REFRESH_TOKEN = "sandboxrefreshtoken0000000000000"  # noqa: S105
KEAP_TENANT = "ab103"

CHARTMOGUL_API_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
CHARTMOGUL_READ_ONLY_KEY = "00112233445566778899aabbccddeeff"
