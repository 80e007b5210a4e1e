"""Artifact Registry on loopback, at its real URLs: clients run unmodified, with environment variables only.

`Sandbox.start(state=directory)` gives a running one. Nothing but the standard library is imported here; the server's
process needs the extra `garscaffold[sandbox]`.
"""

from garscaffold.sandbox.launch import Sandbox

__all__ = ["Sandbox"]
