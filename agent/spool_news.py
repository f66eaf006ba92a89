"""What is told of jobs: their state on their own topic, and answers where they were asked for; through the outbox."""

from __future__ import annotations

import json

from agent.job import Job
from agent.outbox import Note, Outbox


class JobNews:
    """Puts what is to be told of a job into the outbox, in the running transaction."""

    def __init__(self, *, outbox: Outbox, retain_final_jobs: bool) -> None:
        self._outbox = outbox
        self._retain_final_jobs = retain_final_jobs

    def tell(self, job: Job) -> None:
        """Put a job's state on its topic, and its end also on the topic where it was asked for."""
        topic, payload = f"jobs/{job.id}", json.dumps(job.to_json()).encode()
        ends = job.state.is_final
        retain = self._retain_final_jobs or not ends
        self._outbox.put(Note(topic, payload, retain=retain))
        if not retain:
            self._outbox.put(Note(topic, b"", retain=True))
        if ends:
            self.answer(job)

    def answer(self, job: Job) -> None:
        """Put a job's state on the topic where an answer was asked for."""
        if job.response_topic is not None:
            payload = json.dumps(job.to_json()).encode()
            note = Note(job.response_topic, payload, absolute=True, correlation_data=job.correlation_data)
            self._outbox.put(note)
