"""What clients' files say, to be searched: stores of files, read in the background, found by words and by meaning.

- Values and documents: `values`, `documents`, `filters`.
- `stores` keeps them; `ingestion` reads files into them, by `parsing/` (in processes that may die) and `embedded`.
- `search` asks an index of `index/`, which is made from the stored chunks and can be made again.
- `run_files` is what a run searches, `library` what the researchers of all tenants read.
- `knowledge` is all of it, as a process opens it.
"""
