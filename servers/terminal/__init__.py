"""A question asked in the terminal: `cortex-flow chat`."""
