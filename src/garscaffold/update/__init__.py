"""A project brought to another version of its template: planned, shown, applied, finished or undone."""
