"""The database behind methods: rows stay inside, frozen values come out."""

from scheduler.store.store import Store

__all__ = ["Store"]
