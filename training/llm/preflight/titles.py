"""What the checks are called on pages, in their order. Light: no torch, so that pages read it."""

TITLES = {
    "schema": "Schema and kind",
    "template": "Chat template",
    "trained": "Trained tokens in every row",
    "stop": "The stop token is trained",
    "pad": "Padding ends nothing",
    "bos": "No double beginning",
    "lengths": "Lengths",
    "sources": "Every source is drawn",
    "overlap": "Training and validation are apart",
    "contamination": "No evaluation in the training data",
    "verifiers": "Verifiers",
    "tasks": "Tasks of lm-evaluation-harness",
    "disk": "Disk space",
    "rehearsal": "Two steps, saved, reloaded, resumed",
}
