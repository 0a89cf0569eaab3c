"""Floor 2: questions. Bulk first; they never write."""
