"""Singer tap for Keap (Infusionsoft) CRM, REST v2."""
