"""SpiffWorkflow keeps no state itself: the workflow is read from a row, taken one task on, and written back with event,
deadline and message."""

import json
import sys

from conversation import converse
from lxml import etree
from rows import DEADLINE, MESSAGE, Rows
from SpiffWorkflow import TaskState
from SpiffWorkflow.bpmn import BpmnWorkflow
from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer

DIAGRAM = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="peer">
<process id="declaration" isExecutable="true"><startEvent id="start"><outgoing>a</outgoing></startEvent>
<sequenceFlow id="a" sourceRef="start" targetRef="draft"/>
<manualTask id="draft" name="draft"><incoming>a</incoming><outgoing>b</outgoing></manualTask>
<sequenceFlow id="b" sourceRef="draft" targetRef="submitted"/>
<manualTask id="submitted" name="submitted"><incoming>b</incoming><outgoing>c</outgoing></manualTask>
<sequenceFlow id="c" sourceRef="submitted" targetRef="end"/>
<endEvent id="end"><incoming>c</incoming></endEvent></process></definitions>"""
parser = BpmnParser()
parser.add_bpmn_xml(etree.fromstring(DIAGRAM))
spec = parser.get_spec("declaration")
serializer = BpmnWorkflowSerializer()
rows = Rows(sys.argv[1])
made = 0


def opened():
    global made
    made += 1
    workflow = BpmnWorkflow(spec)
    workflow.do_engine_steps()
    rows.execute(
        "INSERT INTO peer_case VALUES (?, ?, ?, ?)", (f"{made:026d}", "draft", 1, serializer.serialize_json(workflow))
    )
    return f"{made:026d}"


def submit(case):
    rows.begin()
    state, seq, body = rows.execute("SELECT state, seq, body FROM peer_case WHERE id = ?", (case,)).fetchone()
    workflow = serializer.deserialize_json(body)
    task = workflow.get_next_task(state=TaskState.READY, spec_name="draft")
    task.run()
    workflow.do_engine_steps()
    after = (serializer.serialize_json(workflow), "submitted", case, seq)
    rows.execute("UPDATE peer_case SET body = ?, state = ?, seq = seq + 1 WHERE id = ? AND seq = ?", after)
    event = json.dumps({"trigger": "submit", "source": state, "target": "submitted"})
    rows.execute("INSERT INTO peer_event VALUES (?, ?, ?)", (case, seq + 1, event))
    rows.execute("INSERT INTO peer_deadline VALUES (?, ?)", (case, json.dumps(DEADLINE)))
    rows.execute("INSERT INTO peer_message VALUES (?, ?)", (case, json.dumps(MESSAGE)))
    rows.execute("COMMIT")


converse(opened, submit)
