"""Changes become requests, lane by lane or in bulk; what ChartMogul acknowledges is journalled."""
