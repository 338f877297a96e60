"""What finds chunks: a port, SQLite's full text search behind it, and the storage's own where it has one."""
