"""One file for each change; alembic finds them by their revision numbers."""
