"""Write tiny_losses.json: the loss curve of the tests' tiny network over 10 steps.

    python tests/golden/make_tiny_losses.py

Run it on purpose only: when the curve moves, something about training has changed.
"""

import importlib.util
import json
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    spec = importlib.util.spec_from_file_location("conftest", HERE.parent / "conftest.py")
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    tiny = conftest.tiny.__wrapped__()
    curves = {
        objective.name: tiny.steps(tiny.program(objective=objective), 10)[1]
        for objective in (conftest.NATURAL, conftest.ROBUST)
    }
    (HERE / "tiny_losses.json").write_text(json.dumps(curves, indent=1) + "\n")


if __name__ == "__main__":
    main()
