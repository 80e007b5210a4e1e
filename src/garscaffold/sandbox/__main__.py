"""`python -m garscaffold.sandbox OPTIONS-AS-JSON`: the server's process; `Sandbox` and the command line start it."""

import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path

from garscaffold.errors import GarscaffoldError
from garscaffold.sandbox.preparation import ServerOptions
from garscaffold.sandbox.server import serve
from garscaffold.sandbox.state import Running, StateDirectory


def main() -> int:
    """Serve; the first line on standard output says that everything listens, or what is wrong."""
    options = json.loads(sys.argv[1])
    options["state"] = StateDirectory(Path(options["state"]))
    options["faults"] = tuple(options.get("faults", ()))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    # It logs every URL, and the machine's index may have a password in its.
    logging.getLogger("httpx").setLevel(logging.WARNING)

    def ready(running: Running) -> None:
        _say({"ready": asdict(running)})

    try:
        serve(ServerOptions(**options), ready)
    except GarscaffoldError as error:
        _say({"sentence": error.sentence, "mend": error.mend})
        return 1
    return 0


def _say(line: dict[str, object]) -> None:
    os.write(sys.stdout.fileno(), (json.dumps(line) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
