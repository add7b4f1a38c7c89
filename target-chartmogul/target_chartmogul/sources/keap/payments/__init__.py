"""§5: payments, refunds, failed attempts, credits."""
