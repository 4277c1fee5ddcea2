"""The files in examples/cluster, as far as a machine without Docker, Kubernetes and Slurm can check them."""

import re
import shlex
import shutil
import subprocess

import pytest
import yaml

from alae_cli.exit_codes import EXIT_CODES, describe_exit_codes
from alae_core.spread import Spread, find_spread
from tests.conftest import REPOSITORY
from tests.helpers.commands import COMMAND_GROUP, parse_command

CLUSTER = REPOSITORY / "examples" / "cluster"
GUIDE = (REPOSITORY / "docs" / "cluster.md").read_text("utf-8")


def read_instructions():
    """The instructions of the Dockerfile: (name, arguments), with continued lines joined."""
    lines = (CLUSTER / "Dockerfile").read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", "")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


INSTRUCTIONS = read_instructions()


def arguments_of(name):
    return [argument for instruction, argument in INSTRUCTIONS if instruction == name]


# ---- the Dockerfile --------------------------------------------------------------------------------------------------


def test_instructions_exist_and_start_from_a_base_image():
    known = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in INSTRUCTIONS} == known
    assert [name for name, _ in INSTRUCTIONS][:2] == ["ARG", "FROM"]
    assert arguments_of("ARG") == ["PYTHON=3.11", "BACKEND=jax", "DEVICE=cpu", "PACKAGES="]


def test_every_copied_path_exists_and_the_distribution_is_complete():
    copied = [path for argument in arguments_of("COPY") for path in argument.split()[:-1]]
    assert [path for path in copied if not (REPOSITORY / path).exists()] == []
    project = (REPOSITORY / "pyproject.toml").read_text("utf-8")
    packages = re.search(r"packages = \[(.*?)\]", project, re.DOTALL)[1]
    needed = {path.split("/")[0] for path in re.findall(r'"(.*?)"', packages)} | {"pyproject.toml", "README.md"}
    assert needed <= set(copied)


@pytest.mark.parametrize(
    ("backend", "device", "packages"),
    [
        ("jax", "cpu", [".[jax]"]),
        ("jax", "cuda", [".[jax]", "jax[cuda13]"]),
        ("torch", "cpu", [".[torch]"]),
        ("torch", "cuda", [".[torch]"]),
        ("tensorflow", "cpu", [".[tensorflow]"]),
        ("tensorflow", "cuda", [".", "tensorflow[and-cuda]"]),
        ("jax", "tpu", None),
    ],
)
def test_each_variant_installs_its_packages(tmp_path, backend, device, packages):
    (command,) = arguments_of("RUN")
    # Record what would be installed, instead of installing it.
    for name in ("pip", "mkdir", "chown"):
        tool = tmp_path / name
        tool.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$0.arguments"\n')
        tool.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "BACKEND": backend, "DEVICE": device, "PACKAGES": "ray"}
    done = subprocess.run(["sh", "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True)
    if packages is None:
        assert (done.returncode, "DEVICE cpu or cuda" in done.stderr) == (1, True)
        return
    assert done.returncode == 0, done.stderr
    install, *options = (tmp_path / "pip.arguments").read_text().splitlines()
    assert install == "install"
    assert options == ["--no-cache-dir", "--constraint", "constraints.txt", *packages, "ray"]
    extras = set(re.findall(r"\.\[(\w+)\]", " ".join(packages)))
    assert all(f"\n{extra} = [" in (REPOSITORY / "pyproject.toml").read_text("utf-8") for extra in extras)


def test_the_container_runs_alae_itself_as_an_ordinary_user():
    assert arguments_of("ENTRYPOINT") == ['["alae"]']
    assert arguments_of("USER") == ["1000:1000"]
    (settings,) = arguments_of("ENV")
    assert "ALAE_CACHE=/cache" in settings.split()


# ---- the Kubernetes Job, JobSet and RayJob ---------------------------------------------------------------------------


def read_manifest(file, version, kind):
    """The claim of a volume, and the Job or JobSet that uses it."""
    claim, workload = yaml.safe_load_all((CLUSTER / file).read_text("utf-8"))
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
    assert (workload["apiVersion"], workload["kind"]) == (version, kind)
    return claim, workload


def read_jobset():
    return read_manifest("jobset.yaml", "jobset.x-k8s.io/v1alpha2", "JobSet")


@pytest.fixture(scope="module", params=["job", "jobset"])
def job(request):
    """The Job, or that of the JobSet."""
    if request.param == "job":
        claim, job = read_manifest("job.yaml", "batch/v1", "Job")
    else:
        claim, jobset = read_jobset()
        (replicated,) = jobset["spec"]["replicatedJobs"]
        assert replicated["replicas"] == 1
        job = replicated["template"]
    return job | {"claim": claim["metadata"]["name"], "kind": request.param}


def test_the_job_runs_a_command_that_can_be_repeated(job):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    line = shlex.join(["alae", *container["args"]])
    assert parse_command(line) == "train"
    assert "--resume auto" in line
    assert line.split("--out ")[1].startswith("/runs/")


def test_the_job_stops_gracefully_and_repeats_only_what_can_succeed(job):
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 30
    # Kubernetes accepts a podFailurePolicy only with this restartPolicy.
    assert pod["restartPolicy"] == "Never"
    fail, *others = spec["podFailurePolicy"]["rules"]
    (container,) = pod["containers"]
    assert fail["action"] == "FailJob"
    assert fail["onExitCodes"] == {"containerName": container["name"], "operator": "In", "values": [2, 3]}
    if job["kind"] == "job":
        assert others == [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]
        assert spec["backoffLimit"] > 0
    else:
        # The JobSet starts all pods again if one ends.
        assert (others, spec["backoffLimit"]) == ([], 0)


def test_the_job_has_volumes_for_images_runs_and_cache_and_a_read_only_root(job):
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts.keys() == {"/data", "/runs", "/cache", "/tmp"}
    assert mounts["/data"]["readOnly"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in mounts.values()} == volumes.keys()
    assert volumes["storage"]["persistentVolumeClaim"] == {"claimName": job["claim"]}
    assert volumes["tmp"] == {"name": "tmp", "emptyDir": {}}
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    user = pod["securityContext"]
    assert (user["runAsNonRoot"], f"{user['runAsUser']}:{user['runAsGroup']}") == (True, arguments_of("USER")[0])
    assert user["fsGroup"] == user["runAsGroup"], "the volume must be writable"


def test_the_jobset_repeats_all_pods_unless_a_pod_would_fail_again():
    _, jobset = read_jobset()
    policy = jobset["spec"]["failurePolicy"]
    assert policy["maxRestarts"] > 0
    (rule,) = policy["rules"]
    # The reason that Kubernetes gives if a rule of a Job's podFailurePolicy fails it.
    assert (rule["action"], rule["onJobFailureReasons"]) == ("FailJobSet", ["PodFailurePolicy"])


def test_the_pods_of_the_jobset_find_each_other():
    claim, jobset = read_jobset()
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"], "both pods mount it"
    (replicated,) = jobset["spec"]["replicatedJobs"]
    spec = replicated["template"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    variables = {variable["name"]: variable for variable in container["env"]}
    rank = variables.pop("RANK")["valueFrom"]["fieldRef"]["fieldPath"]
    assert rank == "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    environment = {name: variable["value"] for name, variable in variables.items()}
    name = jobset["metadata"]["name"]
    address = f"{name}-{replicated['name']}-0-0.{name}:29500"
    assert spec["parallelism"] == spec["completions"] == 2
    assert find_spread(None, environment | {"RANK": "1"}) == Spread("all", 1, 2, 0, address)


def test_ray_starts_one_process_on_each_worker_of_the_rayjob():
    claim, job = read_manifest("rayjob.yaml", "ray.io/v1", "RayJob")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    spec = job["spec"]
    line = spec["entrypoint"].removeprefix("cd /runs && ")
    assert parse_command(line) == "train"
    assert "--out /runs/faces --resume auto" in line
    assert spec["backoffLimit"] > 0
    assert spec["shutdownAfterJobFinishes"], "the pods would keep their devices"
    head, (workers,) = spec["rayClusterSpec"]["headGroupSpec"], spec["rayClusterSpec"]["workerGroupSpecs"]
    assert (head["rayStartParams"], workers["rayStartParams"]) == ({"num-cpus": "0"}, {"num-cpus": "1"})
    assert workers["replicas"] == workers["minReplicas"] == workers["maxReplicas"] == 2
    assert line.endswith("--launcher ray --devices 2")
    for group in (head, workers):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/runs", "/cache", "/tmp"}
        assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}


# ---- the Slurm job ---------------------------------------------------------------------------------------------------


def run_batch(tmp_path, code, script):
    """Run a batch script with a stand-in for srun that ends with `code`; returns its exit code and what it calls."""
    for name, exit_code in (("srun", code), ("scontrol", 0)):
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\necho "{name} $*" >> calls\nexit {exit_code}\n')
        tool.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "one,two"}
    done = subprocess.run([shutil.which("bash"), CLUSTER / script], env=environment, cwd=tmp_path)
    return done.returncode, (tmp_path / "calls").read_text().splitlines()


@pytest.mark.parametrize("code", [0, 2, 143])
def test_the_batch_script_requeues_a_run_that_sigterm_stopped(tmp_path, code):
    found, (srun, *others) = run_batch(tmp_path, code, "job.sbatch")
    assert found == code
    assert parse_command(srun.removeprefix("srun ")) == "train"
    assert others == (["scontrol requeue 7"] if code == 143 else [])


@pytest.mark.parametrize("code", [0, 2, 5, 137, 143])
def test_the_batch_script_for_several_machines_also_requeues_a_run_that_lost_a_process(tmp_path, code):
    found, (hosts, srun, *others) = run_batch(tmp_path, code, "processes.sbatch")
    assert found == code
    assert hosts == "scontrol show hostnames one,two"
    options, _, command = srun.partition(" alae ")
    assert options == "srun --kill-on-bad-exit=1"
    assert parse_command(f"alae {command}") == "train"
    assert others == (["scontrol requeue 7"] if code >= 5 else [])


@pytest.mark.parametrize("script", ["job.sbatch", "processes.sbatch"])
def test_the_batch_scripts_ask_for_sigterm_before_their_time_limit(script):
    text = (CLUSTER / script).read_text("utf-8")
    # Without "B:", Slurm sends the signal to alae, not to the shell.
    assert "#SBATCH --signal=TERM@120\n" in text


# ---- the documents ---------------------------------------------------------------------------------------------------


def test_exit_codes_are_the_same_in_help_and_guide():
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", GUIDE, re.MULTILINE))
    assert {int(code): meaning for code, meaning in rows.items()} == EXIT_CODES
    assert COMMAND_GROUP.commands["train"].epilog == describe_exit_codes()


def test_commands_in_containers_parse():
    lines = [line for line in GUIDE.splitlines() if line.startswith("docker run ")]
    assert lines
    for line in lines:
        assert parse_command(line[line.index(" alae ") + 1 :]) == "train"


def test_builds_name_files_and_arguments_that_exist():
    builds = [line for line in GUIDE.splitlines() if line.startswith("docker build ")]
    names = {argument.partition("=")[0] for argument in arguments_of("ARG")}
    for line in builds:
        words = shlex.split(line)
        assert (REPOSITORY / words[words.index("--file") + 1]).exists()
    assert set(re.findall(r"--build-arg (\w+)=", GUIDE)) <= names
