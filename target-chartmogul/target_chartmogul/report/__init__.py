"""What a run reports: document, lists, page, charts, and explanations."""
