"""Runs pkilint's programs many times in one interpreter.

Standard input is one JSON array a line, a program's name and its arguments. Standard output is one JSON array a line,
the exit code and what the program printed.
"""

import contextlib
import importlib
import io
import json
import sys

for line in sys.stdin:
    program, *arguments = json.loads(line)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = importlib.import_module(f"pkilint.bin.{program}").main(arguments)
    print(json.dumps([code, printed.getvalue()]), flush=True)
