"""Which nodes belong together: connected by what records name, or by what ChartMogul has of them (rule 1.1)."""

from __future__ import annotations

from typing import Final

from target_chartmogul.billing.nodes import FIRST_NODE
from target_chartmogul.store.file import StoreFile

_COMPONENT: Final = (
    "WITH RECURSIVE part(node) AS (VALUES (?) UNION SELECT l.b FROM part JOIN link AS l ON l.a = part.node"
    " UNION SELECT h.subject FROM part JOIN holding AS h ON h.owner = part.node WHERE h.subject IS NOT NULL"
    " UNION SELECT h.owner FROM part JOIN holding AS h ON h.subject = part.node WHERE h.owner IS NOT NULL)"
    " SELECT node FROM part"
)


def component(file: StoreFile, node: int) -> list[int]:
    """All nodes of the account that a node is of, ascending; one of the catalogue is of none, and stands alone."""
    if node < FIRST_NODE:
        return [node]
    return sorted(each for (each,) in file.rows(_COMPONENT, (node,)))
