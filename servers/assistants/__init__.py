"""The dialect of OpenAI's Assistants API, version 2.

- The endpoints: `routes/`; what comes in: `schema` (the wire), `decode`; vector stores that are made by the way: `stocking`.
- What is told: `encode` (objects), `steps` (a run's events as run steps), `events` (the same as frames), `stream` (the answer).
- For callers in the same process: `adapter` (method calls), `emitter` (a stream's events, by name).
"""
