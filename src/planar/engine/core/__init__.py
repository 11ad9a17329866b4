"""Pure decisions: import the part you mean."""
