// What reviewing and adjudicating share: an unfinished decision stays in this browser until the server has it.

import { Kept } from "./kept.js";
import { Fault, send } from "./server.js";

const RENEW_MS = 300000;
const SIGNED_OUT = "You are signed out. What you wrote is kept in this browser: sign in again in another tab, then decide.";
const OFFLINE = "No connection to Tilth. What you wrote is kept in this browser; decide again as soon as it answers.";

export class Verdict {
  // read() and fill(entry): what is written on the page; keep: an address that keeps the work for this person.
  constructor(page, { name, keep, read, fill }) {
    Object.assign(this, { page, keep, read, fill });
    this.kept = new Kept(name);
    this.renewed = Date.now();
    this.filling = false;
    this.kept.onElsewhere((entry) => this.put({ ...entry, begun: null })); // no dialog opens by itself
    page.querySelector("[data-afresh]").addEventListener("click", () => {
      this.kept.drop();
      location.reload();
    });
  }

  // Bring back what had been written, and say so.
  async restore() {
    const entry = this.kept.get();
    if (!entry) return;
    await this.put(entry);
    this.page.querySelector("[data-restored]").hidden = false;
    this.say("Kept in this browser");
  }

  async put(entry) {
    this.filling = true;
    await this.fill(entry);
    this.filling = false;
  }

  changed() {
    if (this.filling || this.done) return;
    const kept = this.kept.put(this.read());
    this.say(kept ? "Kept in this browser until you decide" : "This browser cannot keep a copy: decide before you leave");
    if (this.keep && Date.now() - this.renewed > RENEW_MS) this.renew();
  }

  say(text) {
    const line = this.page.querySelector("[data-status]");
    if (line.textContent !== text) line.textContent = text;
  }

  // Whoever still writes keeps the submission; who lost it meanwhile hears of it before more work goes into it.
  renew() {
    this.renewed = Date.now();
    send(this.keep, {}).catch((fault) => fault.kind === "taken" && this.complain([fault.message]));
  }

  async send(url, body) {
    if (this.sending) return;
    this.sending = true;
    try {
      this.leave(await send(url, body));
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.sending = false;
      if (fault.kind === "reviewed") return this.leave(fault.body); // the decision arrived, the answer got lost
      const words = { signed_out: SIGNED_OUT, offline: OFFLINE }[fault.kind] ?? fault.message;
      this.complain(fault.body.problems?.map((problem) => problem.message) ?? [words]);
    }
  }

  leave({ next }) {
    this.done = true;
    this.kept.drop();
    location.assign(next ?? this.page.dataset.back);
  }

  complain(texts) {
    const box = this.page.querySelector("[data-problems]");
    const lines = texts.map((text) => Object.assign(document.createElement("li"), { textContent: text }));
    box.querySelector("ul").replaceChildren(...lines);
    box.hidden = false;
    box.focus();
  }
}
