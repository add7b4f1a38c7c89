"""Rules 3.1 to 3.5: who is a customer, and since when on trial."""
