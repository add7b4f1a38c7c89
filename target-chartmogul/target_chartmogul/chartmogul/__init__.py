"""ChartMogul: its objects and its API."""
