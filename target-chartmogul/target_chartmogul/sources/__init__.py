"""Where billing comes from: Keap's records, or rows that are ChartMogul's own objects."""
