"""ChartMogul's REST API on loopback: what it accepts, refuses and computes."""

from __future__ import annotations

from sandbox.chartmogul.service import ChartMogulService

__all__ = ["ChartMogulService"]
