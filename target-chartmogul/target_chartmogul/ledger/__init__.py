"""What runs remember between them: what ChartMogul holds of ours, and records that wait."""
