"""Who starts durable runs. A job is a run's id and nothing else: status, lease and expiry live in the run."""

from graph.runtime.in_process import InProcess
from graph.runtime.port import Execute, Runtime

__all__ = ["Execute", "InProcess", "Runtime"]
