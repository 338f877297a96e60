"""The dialect of OpenAI's Assistants API, version 2."""
