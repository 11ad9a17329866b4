"""What is remembered: a port, and one adapter for each place. Nothing here: import the part you mean."""
