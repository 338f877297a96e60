"""What finds chunks: a port, and SQLite's full text search behind it."""
