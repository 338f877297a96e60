"""Where programs that a model wrote are run. `port` says what a sandbox promises; each one is a file or folder here:

- `monty`: comes along; a subset of Python, started in milliseconds.
- What they share: `folder` (a session's files), `shown` (what a program tells).
"""
