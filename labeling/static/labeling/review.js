// Reviewing one submission: passages are commented on where they stand, and one key decides.

import { focusFirst, open } from "./editor.js";
import { Keys } from "./keys.js";
import { Passages } from "./passages.js";
import { start as startReading } from "./reading.js";
import { Verdict } from "./verdict.js";

const page = document.getElementById("review");
const data = JSON.parse(page.dataset.review);
const answer = document.getElementById("answer");
const pane = document.getElementById("pane");
const form = document.getElementById("verdict");
const note = document.getElementById("note");
const opened = performance.now();
let before = 0; // seconds of an earlier visit
let fields = null;

const seconds = () => before + (performance.now() - opened) / 1000;
const scores = () => Object.fromEntries([...form.querySelectorAll("[data-score]:checked")].map((radio) => [radio.dataset.score, Number(radio.value)]));
const written = () => ({ comments: passages.comments, scores: scores(), note: note.value, seconds: seconds() });

// ---- editing: the text that was begun stays when the edit is put aside

function editing(on) {
  pane.hidden = !on;
  for (const button of form.querySelectorAll("[data-plain]")) button.hidden = on;
  for (const button of form.querySelectorAll("[data-editing]")) button.hidden = !on;
  keys.over(on ? pane : form);
}

async function edit(payload = data.payload) {
  if (!fields) {
    fields = await open(pane, { urls: data.urls, script: page.dataset.kind, changed: () => verdict.changed() });
    fields.fill(payload);
  }
  editing(true);
}

// ---- the decision

function askToReject() {
  const box = document.getElementById("dialog-reject");
  box.returnValue = "";
  box.showModal();
  return new Promise((resolve) => box.addEventListener("close", () => resolve(box.returnValue === "go"), { once: true }));
}

async function decide(decision) {
  if (decision === "reject" && !(await askToReject())) return;
  const payload = decision === "edit" ? { payload: fields.payload() } : {};
  await verdict.send(page.dataset.decide, { decision, ...written(), ...payload });
}

let passages;
let verdict;
let keys;

async function start() {
  passages = new Passages(page, answer, () => verdict.changed());
  verdict = new Verdict(page, {
    name: data.keptAs,
    keep: page.dataset.keep,
    read: () => ({ ...written(), begun: passages.begun, edited: fields?.payload(), editing: !pane.hidden }),
    fill: async (entry) => {
      before = Math.max(before, entry.seconds);
      note.value = entry.note;
      for (const radio of form.querySelectorAll("[data-score]")) radio.checked = entry.scores[radio.dataset.score] === Number(radio.value);
      if (entry.edited) {
        await edit(entry.edited);
        fields.fill(entry.edited);
        editing(entry.editing);
      }
      passages.fill(entry);
    },
  });
  keys = new Keys(form, { submit: () => decide(pane.hidden ? "accept" : "edit"), commands: { c: () => passages.comment() } });
  form.addEventListener("input", () => verdict.changed());
  for (const button of form.querySelectorAll("[data-decision]")) button.addEventListener("click", () => decide(button.dataset.decision));
  form.querySelector("[data-edit]").addEventListener("click", async () => {
    await edit();
    focusFirst(pane);
    verdict.changed();
  });
  form.querySelector("[data-aside]").addEventListener("click", () => {
    editing(false);
    form.querySelector("[data-edit]").focus();
    verdict.changed();
  });
  await verdict.restore();
}

if (form) await start();
startReading(answer, 0);
page.dataset.ready = "";
