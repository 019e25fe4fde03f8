"""A child program that does what its parameters say, in steps that it stores, so that it can go on later."""

import os
import signal
import subprocess
import sys
import time

from tilth.jobs.reporting import Reporter, run_program


def work(reporter: Reporter) -> dict | None:
    params = reporter.params
    if params.get("print"):
        print(params["print"], flush=True)
    if params.get("print_secret"):
        print(f"the password is {os.environ['DEMO_SECRET']}", flush=True)
        reporter.log(f"again: {os.environ['DEMO_SECRET']}", "warning")
    if params.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if params.get("grandchild"):
        sleeper = subprocess.Popen(["sleep", "600"])
        reporter.storage.write_bytes(f"{reporter.prefix}/grandchild", str(sleeper.pid).encode())
    reporter.storage.write_bytes(f"{reporter.prefix}/pid-{reporter.attempt}", str(os.getpid()).encode())
    reporter.storage.write_json(
        f"{reporter.prefix}/devices-{reporter.attempt}", os.environ["CUDA_VISIBLE_DEVICES"]
    )
    for point in params.get("metrics", []):
        reporter.metric("loss", float(point[0]), point[1])
    for step in range(params.get("steps", 1)):
        if reporter.stopping and not params.get("stubborn"):
            return None
        one_step(reporter, step)
    end_badly(reporter)
    return {"steps": params.get("steps", 1), "made_by": reporter.attempt, "knobs": reporter.control()}


def one_step(reporter: Reporter, step: int) -> None:
    key = f"{reporter.prefix}/markers/{step}"
    if reporter.storage.exists(key):
        return
    time.sleep(reporter.params.get("seconds", 0))
    reporter.storage.write_bytes(key, str(reporter.attempt).encode())
    reporter.progress(step + 1, reporter.params.get("steps", 1), "Counting", f"step {step}")
    reporter.log(f"step {step} done by attempt {reporter.attempt}")


def end_badly(reporter: Reporter) -> None:
    how = reporter.params.get("end", "")
    first = reporter.attempt == 1
    if how == "fail":
        reporter.fail("The file is not there; choose another one.", "missing")
    if how == "fail_once" and first:
        reporter.fail("The server said no.", "busy", retryable=True)
    if how == "fail_always":
        reporter.fail("The server said no.", "busy", retryable=True)
    if how == "raise":
        raise ValueError("seven is not a colour")
    if how == "killed_once" and first:
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "odd_result":
        reporter.result({"loss": float("nan"), "text": "a\x00b\ud800"})
    if how in ("no_result", "odd_result"):
        raise SystemExit(0)


if __name__ == "__main__":
    run_program(work, sys.argv[1])
