"""The room where runs happen. Nothing is imported here, so that `graph.errors` and `graph.storage` stay quick to load.

- What dialects call: `engine` (start, follow, resume, cancel).
- Values: `request`, `run`, `items`, `events`, `journal`, `errors`, `ids`.
- The team at work, turn by turn: `state` (what comes next), `ending`, `team` (the graph), `turn`, `telling`, `delegation`,
  `context`, `table`, `prompt`, `citations` and `quotations`, `limits`, `logprobs`, `answer_format` (`response_format`, kept; by
  `json_schema` and a process of its own, `json_schema_process`).
- A request on its way in: `intake`, `outputs`, `history`, `window`.
- The conversation log: `conversations`, `recent` (remembered), `blocks`, `messages`, `attachments`, `said`.
- The Assistants API's own: `threads` (conversations, message by message), `assistants`, `spending` (`max_prompt_tokens`).
- What clients asked to keep, and lists to page through: `completions`, `listing`; what several change at once: `changes`.
- Files: `files`, `uploads` (in parts), `incoming` (their bytes on the way in), `enclosures` (in a prompt), `sizes`.
- The programs of runs, their sessions and their files: `interpreter/`.
- What files say, to be searched: `vector_stores/`.
- A run's leg, carried, written, ended: `carrier`, `work`, `recorder`, `chat_recorder`, `durable_recorder`, `failure`.
- Durable runs, owned, taken over, expired: `runs`, `claims`, `lease`, `recovery`, `watch` (who sweeps), `runtime/`.
- Requests that are sent again: `repeats`.
- Runs carried here and followed elsewhere, and the reverse: `broadcast`, `channel`, `mirror`.
- What it stands on: `storage/`, `library/`, `tokens`, `vocabularies/`, `compact` (dataclasses as they are stored).
"""
