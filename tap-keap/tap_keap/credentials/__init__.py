"""Who asks Keap: a key, or OAuth tokens that rotate."""
