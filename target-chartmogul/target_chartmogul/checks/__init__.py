"""Looks at ChartMogul's account before a run, and compares its content with Keap's after one."""
