"""The JobSet manifests: their structure, and that the numbers in them fit together."""

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from rtickets import cli
from rtickets.platform import statuses

ROOT = Path(__file__).parents[2]
NAMES = ["train", "study"]
TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 0}


def an_object(required, **properties):
    return {
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": False,
    }  # fmt: skip


def a_list(items):
    return {"type": "array", "minItems": 1, "items": items}


# What these manifests use of jobset.x-k8s.io/v1alpha2 and batch/v1, and nothing else.
EXIT_CODES = an_object(
    ["operator", "values"],
    containerName=TEXT,
    operator={"enum": ["In", "NotIn"]},
    values=a_list({"type": "integer", "minimum": 1, "maximum": 255}),
)
RULE = an_object(
    ["action"],
    action={"enum": ["Ignore", "FailJob", "FailIndex", "Count"]},
    onExitCodes=EXIT_CODES,
    onPodConditions=a_list(an_object(["type"], type=TEXT, status=TEXT)),
)
CONTAINER = an_object(
    ["name", "image", "command", "args"],
    name=TEXT,
    image=TEXT,
    command=a_list(TEXT),
    args=a_list(TEXT),
    ports=a_list(an_object(["containerPort"], containerPort=COUNT)),
    resources=an_object(["limits"], limits={"type": "object"}),
    volumeMounts=a_list(an_object(["name", "mountPath"], name=TEXT, mountPath=TEXT)),
)
CLAIM = an_object(["claimName"], claimName=TEXT)
POD = an_object(
    ["restartPolicy", "containers"],
    restartPolicy={"const": "Never"},  # a podFailurePolicy needs it
    terminationGracePeriodSeconds=COUNT,
    containers=a_list(CONTAINER),
    volumes=a_list(an_object(["name"], name=TEXT, persistentVolumeClaim=CLAIM)),
)
JOB = an_object(
    ["parallelism", "completions", "completionMode", "backoffLimit", "template"],
    parallelism=COUNT,
    completions=COUNT,
    completionMode={"const": "Indexed"},
    backoffLimit=COUNT,
    podFailurePolicy=an_object(["rules"], rules=a_list(RULE)),
    template=an_object(["spec"], spec=POD),
)
ACTIONS = [
    "FailJobSet", "RestartJobSet", "RestartJobSetAndIgnoreMaxRestarts", "RestartJob",
    "RestartJobAndIgnoreMaxRestarts",
]  # fmt: skip
FAILURE = an_object(
    ["maxRestarts"],
    maxRestarts=COUNT,
    rules=a_list(
        an_object(
            ["name", "action"],
            name=TEXT,
            action={"enum": ACTIONS},
            onJobFailureReasons=a_list({"enum": ["PodFailurePolicy", "BackoffLimitExceeded"]}),
        )
    ),
)
REPLICATED = an_object(
    ["name", "template"], name=TEXT, replicas=COUNT, template=an_object(["spec"], spec=JOB)
)
JOBSET = an_object(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "jobset.x-k8s.io/v1alpha2"},
    kind={"const": "JobSet"},
    metadata=an_object(["name"], name={"type": "string", "pattern": "^[a-z0-9-]{1,40}$"}),
    spec=an_object(["replicatedJobs"], failurePolicy=FAILURE, replicatedJobs=a_list(REPLICATED)),
)


def load(name):
    return yaml.safe_load((ROOT / f"launch/jobset_{name}.yaml").read_text())


def job_of(name):
    (replicated,) = load(name)["spec"]["replicatedJobs"]
    return replicated["template"]["spec"]


def container_of(name):
    (container,) = job_of(name)["template"]["spec"]["containers"]
    return container


def words_of(name):
    """The words after `rtickets`, as the shell of process 1 would see them."""
    (line,) = container_of(name)["args"]
    assert "\n" not in line
    words = line.replace("$JOB_COMPLETION_INDEX", "1").replace('"', "").split()
    assert words[:2] == ["exec", "rtickets"]
    return words[2:]


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_has_the_structure_of_a_jobset(name):
    jsonschema.validate(load(name), JOBSET)


@pytest.mark.parametrize("name", NAMES)
def test_the_structure_can_be_missed(name):
    manifest = load(name)
    manifest["spec"]["replicatedJobs"][0]["template"]["spec"]["paralellism"] = 2
    with pytest.raises(jsonschema.ValidationError, match="paralellism"):
        jsonschema.validate(manifest, JOBSET)


@pytest.mark.parametrize("name", NAMES)
def test_the_command_is_one_of_ours_and_its_configuration_exists(name):
    ours, config = cli._split_config(words_of(name))
    options = cli._parsers()[0].parse_args(ours)
    assert options.verb in cli.VERBS
    file = config[0].removeprefix("--config=")
    assert (ROOT / file).is_file()
    mounts = [mount["mountPath"] for mount in container_of(name)["volumeMounts"]]
    assert str(options.workdir) in mounts


def test_the_hosts_find_each_other():
    manifest, job, options = load("train"), job_of("train"), cli._parsers()[0].parse_args(
        cli._split_config(words_of("train"))[0]
    )  # fmt: skip
    name = manifest["metadata"]["name"]
    hosts = manifest["spec"]["replicatedJobs"][0]["name"]
    port = container_of("train")["ports"][0]["containerPort"]
    assert options.coordinator == f"{name}-{hosts}-0-0.{name}:{port}"
    assert job["parallelism"] == job["completions"] == options.num_processes
    assert options.process_id == 1
    assert options.distributed


def test_the_workers_are_as_many_as_they_think():
    job = job_of("study")
    assert job["parallelism"] == job["completions"]
    assert f"--worker=1/{job['completions']}" in words_of("study")


@pytest.mark.parametrize(("name", "action"), [("train", "FailJob"), ("study", "Ignore")])
def test_what_was_preempted_starts_again_without_counting_as_failed(name, action):
    rules = job_of(name)["podFailurePolicy"]["rules"]
    found = {(rule["action"], tuple(rule["onExitCodes"]["values"]))
             for rule in rules if "onExitCodes" in rule}  # fmt: skip
    again = sorted(statuses.RESUMABLE - {statuses.ABORTED})  # which is tried again, and counted
    assert (action, tuple(again)) in found
    evicted = [rule["action"] for rule in rules if "onPodConditions" in rule]
    assert evicted == [action]
    container = container_of(name)["name"]
    assert {rule["onExitCodes"]["containerName"] for rule in rules if "onExitCodes" in rule} == {
        container
    }
    if name == "train":  # all hosts together
        (rule,) = load(name)["spec"]["failurePolicy"]["rules"]
        assert rule["action"] == "RestartJobSetAndIgnoreMaxRestarts"
        assert rule["onJobFailureReasons"] == ["PodFailurePolicy"]


@pytest.mark.parametrize("name", NAMES)
def test_there_is_time_to_save(name):
    assert job_of(name)["template"]["spec"]["terminationGracePeriodSeconds"] >= 30


def test_the_readme_says_how_to_apply_them():
    text = (ROOT / "launch/README.md").read_text()
    for name in NAMES:
        assert re.search(rf"kubectl apply -f launch/jobset_{name}\.yaml", text)
