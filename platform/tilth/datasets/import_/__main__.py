"""``python -m tilth.datasets.import_ JOB_DIR``: the child program of an import job."""

import sys

from tilth.datasets.import_.run import ImportPlan, run_import
from tilth.jobs.reporting import run_program

if __name__ == "__main__":
    run_program(lambda reporter: run_import(ImportPlan(**reporter.params), reporter), sys.argv[-1])
