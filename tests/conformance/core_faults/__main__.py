"""See the package."""

import json
import sys

from tests.conformance.core_faults import CORE_FAULTS, GROUPS
from tests.conformance.core_faults.judging import judge_faults

backend, *names = sys.argv[1:]
chosen = [fault for fault in CORE_FAULTS if (fault.name in names if names else GROUPS["float32"](fault))]
for fault, found, control in judge_faults(backend, chosen):
    print(json.dumps([fault.name, found, control]), flush=True)
