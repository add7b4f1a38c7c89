"""The store: Keap's records, what ChartMogul holds of ours, and what must be decided again (rule 1.6).

One SQLite file, local or behind a URL. No other package knows SQL.
"""
