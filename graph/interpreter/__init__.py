"""The programs of runs, and their files.

- `sessions`: one session of the sandbox for each run, kept as long as it is worth it.
- `inputs`: the files that programs find; `outputs`: those that they leave; `places`: where both are meanwhile.
- `links`: how an answer leads to the files that were made.
"""
