"""From decisions to changes: differences, guards, and the sequence in which they are sent."""
