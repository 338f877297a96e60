"""The room where runs happen. Nothing is imported here, so that `graph.errors` and `graph.storage` stay quick to load.

engine                start, follow, resume, cancel: what dialects call
request run items events journal errors ids      the values, and how they are written
state team turn telling delegation context table prompt citations limits      the team at work, turn by turn
intake outputs window history      a request on its way in: what it continues, what fits
conversations blocks messages attachments said      the conversation log
carrier work recorder chat_recorder durable_recorder failure      a run's leg: carried, written, ended
runs claims lease recovery runtime/      durable runs: owned, taken over, expired
storage/ library/ tokens vocabularies/      what it stands on
"""
