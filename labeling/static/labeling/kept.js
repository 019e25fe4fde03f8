// What this browser keeps of unfinished work: one entry in its storage for each piece, forgotten after a month.

const KEEP_DAYS = 30;
const PREFIX = "tilth:kept:";

const read = (text) => JSON.parse(text ?? "null");

function forgetOld() {
  const oldest = Date.now() - KEEP_DAYS * 86400000;
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(PREFIX) && (read(localStorage.getItem(key))?.at ?? 0) < oldest) localStorage.removeItem(key);
  }
}

export class Kept {
  constructor(name) {
    this.key = PREFIX + name;
    this.tab = crypto.randomUUID();
    forgetOld();
  }

  // What was kept last, by this tab or another one; or nothing.
  get() {
    return read(localStorage.getItem(this.key));
  }

  // False where the browser has no room for it.
  put(entry) {
    try {
      localStorage.setItem(this.key, JSON.stringify({ ...entry, tab: this.tab, at: Date.now() }));
      return true;
    } catch {
      return false;
    }
  }

  drop() {
    localStorage.removeItem(this.key);
  }

  // What another tab of this browser keeps from now on.
  onElsewhere(call) {
    window.addEventListener("storage", (event) => {
      const entry = event.key === this.key ? read(event.newValue) : null;
      if (entry && entry.tab !== this.tab) call(entry);
    });
  }
}
