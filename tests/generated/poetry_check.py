"""Runs `poetry check --strict` in one folder after another.

Poetry's own Python runs this, because Poetry takes longer to start than to check.
"""

import os
import sys

from cleo.io.inputs.argv_input import ArgvInput
from cleo.io.outputs.stream_output import StreamOutput
from poetry.console.application import Application

refused = 0
for folder in sys.argv[1:]:
    os.chdir(folder)
    application = Application()
    application.auto_exits(False)
    output = StreamOutput(sys.stdout)
    output.write_line(folder)
    refused += application.run(ArgvInput(["poetry", "check", "--strict"]), output, output) != 0
sys.exit(refused > 0)
