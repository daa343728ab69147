"""Every comparison with the reference values of the real data sets; prints how many hold.

python -m tests.benchmarks.real_data
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys


def main() -> int:
    command = [sys.executable, "-m", "pytest", "-q", "--dist", "load", "tests/test_real_data.py"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "LABELMON_SLOW": "1"}
    )
    tally = {
        word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout.splitlines()[-1])
    }
    print(json.dumps({"comparisons": sum(tally.values()), "equal": tally.get("passed", 0)}))
    if done.returncode or tally.get("skipped"):
        print(done.stdout[-2000:], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
