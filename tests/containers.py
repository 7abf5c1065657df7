#!/usr/bin/env python3
"""Three brokers with TLS in containers under compose: one is killed, one is cut off and comes back, one is told to stop.

    tests/containers.py target/release/phalanx

Needs root and an engine: docker with its compose plugin, or podman, for which podman-compose is got from PyPI (Debian's knows no
aliases). Where the engine can pull no base image, one is made with debootstrap. Without engine or root it says so and passes. What the
dashboard of a surviving broker shows is read with chromium, which chromedriver drives; without them it says so and leaves that out.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docs/deploy/docker"
PROJECT = "phalanxtest"
IMAGE = "localhost/phalanx:test"
BASE = "localhost/phalanx-base:bookworm"
PATIENCE = 60


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    binary = Path(sys.argv[1]).resolve()
    engine = find_engine()
    if engine is None or os.geteuid() != 0:
        print("skipped: containers need root and docker or podman with compose")
        return
    work = ROOT / "target/containers"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    engine.build(binary, work)
    run(
        [binary, "certs", "dev", "--nodes", "3", work / "certificates"], stdout=subprocess.DEVNULL
    )
    os.environ |= {
        "PHALANX_IMAGE": IMAGE,
        "PHALANX_CERTIFICATES": str(work / "certificates"),
        "PHALANX_USER": "0:0",
    }
    try:
        tell(engine)
    except BaseException:
        engine.compose("logs", check=False)
        raise
    finally:
        engine.compose("down", check=False)


def tell(engine):
    """The story."""
    engine.compose("up", "-d")
    brokers = [engine.container(f"broker-{number}") for number in range(3)]
    for broker in brokers:
        broker.until_seen({"0": "alive", "1": "alive", "2": "alive"})
    print("three brokers see each other")
    with brokers[0].page() as page:
        live_through(brokers, page)

    told = brokers[0].events()
    for member in ["1", "2"]:
        for kind in ["MemberJoined", "MemberSuspected", "MemberDied"]:
            assert (kind, member) in told, f"no {kind} of {member} among {told}"
    metrics = brokers[0].metrics()
    assert 'phalanx_members{state="alive"} 3' in metrics.splitlines(), metrics
    print("its events tell of both deaths, and its metrics of three members")

    began = time.monotonic()
    brokers[0].stop(15)
    took = time.monotonic() - began
    assert brokers[0].exit_code() == 0, f"exit code {brokers[0].exit_code()}"
    assert took < 15, f"it took {took:.1f} s to stop"
    for broker in brokers[1:]:
        broker.until_seen({"0": "left"})
    print(f"told to stop, one said goodbye and ended with 0 within {took:.1f} s")


def live_through(brokers, page):
    """One dies and comes back, one is cut off and comes back; the page of broker 0 shows it."""
    page.until("#verdict", "All 3 members are alive")

    brokers[2].kill()
    for broker in brokers[:2]:
        broker.until_seen({"2": "dead"})
    page.until("#members tr[data-member='2']", "dead")
    page.until("#verdict", "2 of 3 members are alive")
    print("the one that was killed is dead to the others")
    brokers[2].start()
    for broker in brokers:
        broker.until_seen({"0": "alive", "1": "alive", "2": "alive"})
    page.until("#verdict", "All 3 members are alive")
    print("started again it is back")

    with brokers[1].cut_off():
        brokers[0].until_seen({"1": "dead", "2": "alive"})
        brokers[1].until_seen({"0": "dead", "2": "dead"})
        page.until("#members tr[data-member='1']", "dead")
        page.until("#attention", "1 is dead since")
        print("the one that was cut off is dead to the others, and they to it")
    for broker in brokers:
        broker.until_seen({"0": "alive", "1": "alive", "2": "alive"})
    page.until("#members tr[data-member='1']", "alive")
    page.until("#verdict", "All 3 members are alive")
    for words in ["1 is dead, says", "2 is dead, says", "1 joined", "2 joined"]:
        page.until("#timeline", words)
    print("healed, all see each other again")


def find_engine():
    if shutil.which("docker") and quiet(["docker", "info"]):
        if quiet(["docker", "compose", "version"]):
            return Engine("docker", ["docker", "compose"])
    if shutil.which("podman"):
        venv = ROOT / "target/podman-compose"
        compose = venv / "bin/podman-compose"
        if not compose.exists():
            quiet([sys.executable, "-m", "venv", venv])
            quiet([venv / "bin/pip", "install", "--quiet", "podman-compose==1.*"])
        if quiet([compose, "--version"]):
            return Engine("podman", [compose])
    return None


class Engine:
    def __init__(self, command, compose):
        self.command = command
        self.compose_command = compose

    def build(self, binary, work):
        context = work / "context"
        context.mkdir()
        run(["strip", "-o", context / "phalanx", binary])
        run(
            [self.command, "build", "-q", "-f", DOCKER / "Dockerfile"]
            + ["--build-arg", f"BASE={self.base(work)}", "-t", IMAGE, context]
        )

    def base(self, work):
        """The base of the Dockerfile where a registry gives it, else one of our own."""
        if quiet([self.command, "image", "inspect", BASE]):
            return BASE
        official = "docker.io/library/debian:bookworm-slim"
        if quiet([self.command, "pull", "-q", official]):
            return official
        print("no image registry: a base is made with debootstrap", flush=True)
        system = work / "base"
        run(["debootstrap", "--variant=minbase", "bookworm", system], stdout=subprocess.DEVNULL)
        archive = work / "base.tar"
        run(["tar", "-C", system, "-cf", archive, "."])
        run([self.command, "import", archive, BASE], stdout=subprocess.DEVNULL)
        shutil.rmtree(system)
        archive.unlink()
        return BASE

    def compose(self, *arguments, check=True):
        command = self.compose_command + ["-p", PROJECT, "-f", DOCKER / "compose.yaml"]
        output = subprocess.run(
            [str(part) for part in command + list(arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if output.returncode != 0 or arguments[0] == "logs":
            print(output.stdout)
        if check and output.returncode != 0:
            sys.exit(f"compose {arguments[0]} failed")

    def container(self, service):
        names = run(
            [self.command, "ps", "-a", "--format", "{{.Names}}"], stdout=subprocess.PIPE
        ).stdout.split()
        name = next(name for name in names if PROJECT in name and service in name)
        return Container(self, name)


class Container:
    def __init__(self, engine, name):
        self.engine = engine
        self.name = name

    def run(self, *arguments, **options):
        return run([self.engine.command, *arguments], stdout=subprocess.PIPE, **options)

    def kill(self):
        self.run("kill", self.name)

    def start(self):
        self.run("start", self.name)

    def stop(self, grace):
        self.run("stop", "-t", str(grace), self.name)

    def exit_code(self):
        state = self.run("inspect", "--format", "{{.State.ExitCode}}", self.name)
        return int(state.stdout)

    def cut_off(self):
        """Takes down the bridge's end of its link, as a pulled cable would."""
        index = self.run("exec", self.name, "cat", "/sys/class/net/eth0/iflink").stdout.strip()
        for interface in Path("/sys/class/net").iterdir():
            if (interface / "ifindex").read_text().strip() == index:
                return Cut(interface.name)
        sys.exit(f"no link of the host has index {index}")

    def until_seen(self, expected):
        """Waits until the broker sees these members in these states."""
        deadline = time.monotonic() + PATIENCE
        while True:
            seen = self.members()
            if all(seen.get(member) == state for member, state in expected.items()):
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name} sees {seen}, not {expected}, after {PATIENCE} s")
            time.sleep(0.2)

    def members(self):
        command = [self.engine.command, "exec", self.name]
        asked = subprocess.run(
            command + ["phalanx", "members", "--format", "json"], capture_output=True, text=True
        )
        if asked.returncode != 0:
            return {"error": asked.stderr.strip()}
        return {member["id"]: member["state"] for member in json.loads(asked.stdout)}


    def events(self):
        """What this broker tells of others: kinds and members."""
        answer = self.run("exec", self.name, "phalanx", "events", "--format", "json")
        return {(event["kind"], event["member"]) for event in json.loads(answer.stdout)}

    def metrics(self):
        """What a scraper in the broker's own network gets."""
        scrape = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9600/metrics').read().decode())"
        return run(self.inside(sys.executable, "-c", scrape), stdout=subprocess.PIPE).stdout

    def inside(self, *command):
        """A command of the host's in the network of this container, where alone the management port is reached."""
        process = self.run("inspect", "--format", "{{.State.Pid}}", self.name).stdout.strip()
        return ["nsenter", "-t", process, "-n", *command]

    @contextlib.contextmanager
    def page(self):
        """The dashboard in a browser, or what stands for it where there is none."""
        if not (shutil.which("chromium") and shutil.which("chromedriver")):
            print("left out: the dashboard, for which it takes chromium and chromedriver")
            yield NoPage()
            return
        driver = subprocess.Popen(
            self.inside("chromedriver", f"--port={DRIVER_PORT}"), stdout=subprocess.DEVNULL
        )
        page = None
        try:
            page = Page(self)
            yield page
            print("the dashboard of a surviving broker has shown both deaths and both returns")
        finally:
            if page is not None:
                page.close()
            driver.terminate()
            driver.wait()


class NoPage:
    def until(self, selector, words):
        pass


class Page:
    """The dashboard of one broker in a browser within its network, by the WebDriver protocol (W3C)."""

    def __init__(self, container):
        self.inside = container.inside(sys.executable, "-c", EXCHANGE)
        deadline = time.monotonic() + PATIENCE
        while self.ask("GET", "/status", None) is None:
            if time.monotonic() > deadline:
                raise SystemExit("chromedriver does not start")
            time.sleep(0.2)
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        wanted = {"alwaysMatch": {"goog:chromeOptions": {"args": options}}}
        opened = self.ask("POST", "/session", {"capabilities": wanted})
        if opened is None:
            raise SystemExit("chromium does not start")
        self.session = f"/session/{opened['sessionId']}"
        self.ask("POST", f"{self.session}/url", {"url": "http://127.0.0.1:9600/"})

    def until(self, selector, words):
        """Waits until the element says these words."""
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        asked = {"script": script, "args": [selector]}
        deadline = time.monotonic() + PATIENCE
        while True:
            text = self.ask("POST", f"{self.session}/execute/sync", asked) or ""
            if words in text:
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"{selector} does not say {words!r} after {PATIENCE} s: {text}")
            time.sleep(0.2)

    def close(self):
        self.ask("DELETE", self.session, None)

    def ask(self, method, path, body):
        """What the driver answers; None if it does not."""
        asked = json.dumps([method, f"http://127.0.0.1:{DRIVER_PORT}{path}", body])
        answer = subprocess.run(
            [str(part) for part in self.inside], input=asked, capture_output=True, text=True
        )
        return json.loads(answer.stdout)["value"] if answer.returncode == 0 else None


DRIVER_PORT = 9515
# Run in the network of the container: one exchange with the driver.
EXCHANGE = """
import json, sys, urllib.request
method, url, body = json.load(sys.stdin)
data = None if body is None else json.dumps(body).encode()
request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""


class Cut:
    def __init__(self, interface):
        self.interface = interface

    def __enter__(self):
        run(["ip", "link", "set", self.interface, "down"])

    def __exit__(self, *_):
        run(["ip", "link", "set", self.interface, "up"])


def run(command, **options):
    options.setdefault("check", True)
    return subprocess.run([str(part) for part in command], text=True, **options)


def quiet(command):
    command = [str(part) for part in command]
    try:
        outcome = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return False
    return outcome.returncode == 0


if __name__ == "__main__":
    main()
