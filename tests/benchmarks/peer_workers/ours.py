"""The library itself, as a worker: `submit` of the small process."""

import sys

from ganchu_workflow.entropy import SystemEntropy
from tests.benchmarks.peer_workers.conversation import converse
from tests.engine.small_process import Small, applicant

small = Small(sys.argv[1], entropy=SystemEntropy())
small.wf.migrate()
small.open_round()
converse(small.draft, lambda case: small.wf.fire(case, "submit", {"truthful": True}, actor=applicant()))
