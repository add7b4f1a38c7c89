"""Rules 3.6, 3.7 and §4: orders become invoices, with lines, plans and owners."""
