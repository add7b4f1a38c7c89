"""Singer target that writes subscription billing into ChartMogul."""
