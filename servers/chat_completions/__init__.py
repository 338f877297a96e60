"""The dialect of OpenAI's Chat Completions.

- The endpoint: `routes`; what comes in: `schema` (the wire, and the documentation's table), `decode`, `messages`, `conversation`
  (its name, on its way out too).
- The answer on its way: `answer` (in one piece or as a stream), `stream` (from the start to the end, whatever happens),
  `choices` (several runs as one stream).
- What an answer says: `encode` (whole), `chunks` (streamed), and for both `usage` (with `metadata`), `logprobs`, `progress` (the
  agents' work as text).
- Completions that were kept: `stored_routes`, `stored`.
"""
