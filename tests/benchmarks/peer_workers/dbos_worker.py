"""A DBOS workflow of one step, which writes case, event, deadline and message in a transaction of its own."""

import json
import os
import sys

from conversation import converse
from dbos import DBOS
from rows import DEADLINE, MESSAGE, Rows

url = sys.argv[1]
own = url.replace(".db", "-dbos.db") if url.startswith("sqlite") else url
DBOS(config={"name": "peer", "system_database_url": own, "log_level": "CRITICAL"})
rows = Rows(url)
made = 0


def opened():
    global made
    made += 1
    rows.execute("INSERT INTO peer_case VALUES (?, ?, ?, ?)", (f"{made:026d}", "draft", 1, '{"scope":"e1"}'))
    return f"{made:026d}"


@DBOS.step()
def write(case):
    rows.begin()
    state, seq, body = rows.execute("SELECT state, seq, body FROM peer_case WHERE id = ?", (case,)).fetchone()
    if state != "draft" or json.loads(body)["scope"] != "e1":
        raise PermissionError(state)
    rows.execute("UPDATE peer_case SET state = ?, seq = seq + 1 WHERE id = ? AND seq = ?", ("submitted", case, seq))
    event = json.dumps({"trigger": "submit", "source": state, "target": "submitted"})
    rows.execute("INSERT INTO peer_event VALUES (?, ?, ?)", (case, seq + 1, event))
    rows.execute("INSERT INTO peer_deadline VALUES (?, ?)", (case, json.dumps(DEADLINE)))
    rows.execute("INSERT INTO peer_message VALUES (?, ?)", (case, json.dumps(MESSAGE)))
    rows.execute("COMMIT")


@DBOS.workflow()
def submit(case):
    write(case)


DBOS.launch()
converse(opened, submit)
# It leaves threads behind that keep a process alive.
sys.stdout.flush()
os._exit(0)
