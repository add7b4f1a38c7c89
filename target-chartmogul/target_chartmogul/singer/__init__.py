"""Singer in and out: sinks, STATE, and all that is overridden of the SDK."""
