"""The shared words of billing: objects, changes, decisions, money, calendar, MRR. Pure; imports no other folder."""
