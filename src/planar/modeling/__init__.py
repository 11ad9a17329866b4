"""Building blocks for users' tables: import the part you mean."""
