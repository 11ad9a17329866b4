"""Files that workflows, entities and people carry: the value, its record, and where the bytes are."""
