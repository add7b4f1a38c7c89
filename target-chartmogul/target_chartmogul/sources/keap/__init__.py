"""Keap records to ChartMogul objects: pure, no I/O, no clock but the one handed in."""
