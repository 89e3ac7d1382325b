"""What papers claim, and how numbers are asked about it."""
