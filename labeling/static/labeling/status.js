// What the workspace tells its labeler: whether the text is safe, what is missing, and questions in between.

import { show as toast } from "../ui/toasts.js";

const TEXTS = {
  unsaved: ["Typing…", "muted"],
  saving: ["Saving…", "muted"],
  offline: ["No connection. Your text is kept in this browser and saved as soon as Tilth answers.", "bad"],
  signed_out: ["You are signed out. Your text is kept in this browser: sign in again in another tab, then come back.", "bad"],
  full: ["This browser cannot keep a copy; the server has your text.", "warn"],
  recovered: ["Brought back what this browser had kept.", "ok"],
  elsewhere: ["Taken over from your other tab.", "info"],
  restored: ["The earlier text is back; what stood here is in the history.", "ok"],
  extended: ["The task is yours for longer.", "ok"],
};
const two = (number) => String(number).padStart(2, "0");
const time = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

export class Status {
  constructor(page) {
    this.page = page;
    this.line = page.querySelector("[data-status]");
  }

  show(name, more) {
    if (name === "saved") {
      this.put(`Saved ${time(more ? new Date(more) : new Date())}`, "ok");
      return;
    }
    const [text, tone] = TEXTS[name] ?? [more ?? name, "bad"];
    if (["restored", "extended", "recovered", "elsewhere"].includes(name)) toast(text, "info");
    else this.put(text, tone);
  }

  put(text, tone) {
    this.line.textContent = text;
    this.line.className = `save-state save-${tone}`;
    this.say(text, tone);
  }

  // Read aloud is what went wrong, and that it is right again: not every pause in typing.
  say(text, tone) {
    const said = this.page.querySelector("[data-said]");
    if (!said) return;
    const now = ["bad", "warn"].includes(tone) ? text : tone === "ok" && said.textContent ? "Your text is saved again." : said.textContent;
    if (said.textContent !== now) said.textContent = now;
  }

  busy(on) {
    this.page.querySelector("[data-submit]")?.toggleAttribute("aria-busy", on);
  }

  hold(until) {
    const box = this.page.querySelector("[data-hold]");
    if (!box) return;
    box.hidden = until === null;
    if (until) box.querySelector("[data-hold-until]").textContent = time(until).slice(0, 5);
  }

  ended(message) {
    const box = this.page.querySelector("[data-ended]");
    box.hidden = false;
    box.querySelector("[data-ended-text]").textContent = message;
    this.page.querySelector("[data-submit]")?.setAttribute("disabled", "");
    this.put("Not saved any more", "bad");
  }

  // Problems beside their fields and as a list that leads to them.
  problems(problems, pane) {
    const box = this.page.querySelector("[data-problems]");
    const list = box.querySelector("ul");
    list.replaceChildren();
    pane.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
    for (const problem of problems) {
      const line = document.createElement("li");
      const field = this.fieldAt(pane, problem.path);
      if (field) {
        field.setAttribute("aria-invalid", "true");
        const link = document.createElement("button");
        link.type = "button";
        link.className = "link-button";
        link.textContent = problem.message;
        link.addEventListener("click", () => {
          for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
          field.focus();
        });
        line.append(link);
      } else line.textContent = problem.message;
      list.append(line);
    }
    box.hidden = problems.length === 0;
    (list.querySelector("button") ?? box).focus();
    box.scrollIntoView({ block: "nearest" });
  }

  fieldAt(pane, path) {
    let scope = pane;
    const parts = path.split(".");
    for (let at = 0; at < parts.length; at += 1) {
      if (!/^\d+$/.test(parts[at])) continue;
      const list = scope.querySelector(`[data-list="${CSS.escape(parts.slice(0, at).join("."))}"]`);
      const item = list?.querySelectorAll(":scope > [data-item]")[Number(parts[at])];
      if (!item) break;
      scope = item;
      parts.splice(0, at + 1);
      at = -1;
    }
    const exact = parts.length ? scope.querySelector(`[data-field="${CSS.escape(parts.join("."))}"]`) : null;
    return exact ?? (scope === pane ? null : scope.querySelector("textarea, input"));
  }

  dialog(name) {
    const dialog = document.getElementById(`dialog-${name}`);
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
  }

  async ask(name) {
    return (await this.dialog(name)) === "go";
  }

  async notice(findings) {
    const list = document.querySelector("#dialog-notice ul");
    list.replaceChildren(
      ...findings.map((finding) => {
        const line = document.createElement("li");
        line.textContent = finding.message;
        if (finding.passage) {
          const passage = document.createElement("q");
          passage.textContent = finding.passage;
          line.append(" ", passage);
        }
        return line;
      }),
    );
    return this.ask("notice");
  }

  // Two texts side by side: only what differs, as it was written.
  async choose({ mine, theirs }) {
    const [here, there] = [leaves(mine), leaves(theirs)];
    const differ = [...new Set([...here.keys(), ...there.keys()])].filter((path) => here.get(path) !== there.get(path));
    const text = (found) => differ.map((path) => found.get(path)).filter(Boolean).join("\n\n");
    document.querySelector("#dialog-conflict [data-mine]").textContent = text(here) || "Nothing.";
    document.querySelector("#dialog-conflict [data-theirs]").textContent = text(there) || "Nothing.";
    return (await this.dialog("conflict")) === "mine" ? "mine" : "theirs";
  }
}

function leaves(value, path = "", found = new Map()) {
  if (value && typeof value === "object") for (const [key, inner] of Object.entries(value)) leaves(inner, `${path}.${key}`, found);
  else if (value !== null && value !== "" && value !== false) found.set(path, String(value));
  return found;
}
