// Deciding between answers: one is chosen, or the final answer is written, beginning from the chosen one.

import { focusFirst, open } from "./editor.js";
import { Keys } from "./keys.js";
import { start as startReading } from "./reading.js";
import { Verdict } from "./verdict.js";

const page = document.getElementById("adjudicate");
const data = JSON.parse(page.dataset.adjudicate);
const pane = document.getElementById("pane");
const form = document.getElementById("verdict");
const note = document.getElementById("note");
const choices = [...page.querySelectorAll("[name=winner]")];
const edits = {}; // by the answer from which each began
let fields = null;

const chosen = () => choices.find((choice) => choice.checked)?.value;

function remember() {
  if (!pane.hidden) edits[chosen()] = fields.payload();
}

function editing(on) {
  pane.hidden = !on;
  for (const choice of choices) choice.disabled = on;
  for (const element of form.querySelectorAll("[data-plain]")) element.hidden = on;
  for (const element of form.querySelectorAll("[data-editing]")) element.hidden = !on;
  keys.over(on ? pane : page);
}

async function edit() {
  if (!chosen()) return verdict.complain(["Choose the answer to begin from."]);
  fields ??= await open(pane, { urls: data.urls, script: page.dataset.kind, changed: () => verdict.changed() });
  fields.fill(edits[chosen()] ?? data.payloads[chosen()]);
  editing(true);
}

function decide() {
  if (!chosen()) return verdict.complain(["Choose one of the answers."]);
  const payload = pane.hidden ? {} : { payload: fields.payload() };
  return verdict.send(page.dataset.decide, { winner: chosen(), note: note.value, seen: data.seen, ...payload });
}

const verdict = new Verdict(page, {
  name: data.keptAs,
  read: () => {
    remember();
    return { winner: chosen(), note: note.value, edits, editing: !pane.hidden };
  },
  fill: async (entry) => {
    note.value = entry.note;
    for (const id of Object.keys(data.payloads)) if (entry.edits[id]) edits[id] = entry.edits[id];
    for (const choice of choices) choice.checked = choice.value === entry.winner;
    if (entry.editing && chosen()) await edit();
    else editing(false);
  },
});
const keys = new Keys(page, { submit: decide, commands: {} });
page.addEventListener("input", () => verdict.changed());
form.querySelector("[data-edit]").addEventListener("click", async () => {
  await edit();
  if (!pane.hidden) focusFirst(pane);
  verdict.changed();
});
form.querySelector("[data-aside]").addEventListener("click", () => {
  remember();
  editing(false);
  form.querySelector("[data-edit]").focus();
  verdict.changed();
});
for (const button of form.querySelectorAll("[data-decide]")) button.addEventListener("click", decide);
await verdict.restore();
startReading(page, 0);
page.dataset.ready = "";
