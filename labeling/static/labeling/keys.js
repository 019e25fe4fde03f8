// The keyboard of a workspace. Single keys count only outside text fields; Ctrl+Enter submits everywhere, in a
// dialog what is written there. A key held down counts once, unless it moves.

const TYPING = "textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=button])";

const usable = (element) => !element.disabled && element.getClientRects().length > 0;

export class Keys {
  constructor(pane, { submit, commands }) {
    Object.assign(this, { submit, commands });
    document.addEventListener("keydown", (event) => this.onKey(event), true);
    this.over(pane);
  }

  // The pane whose keys count from now on.
  over(pane) {
    this.row?.classList.remove("current");
    this.row = null;
    this.pane = pane;
    if (pane.keyed) return;
    pane.keyed = true;
    const mine = (call) => (event) => this.pane === pane && call(event);
    pane.addEventListener("focusin", mine((event) => this.setRow(event.target.closest("[data-keyrow]"))));
    pane.addEventListener("tilth:filled", mine(() => this.setRow(this.row?.isConnected ? this.row : this.rows()[0])));
  }

  rows() {
    return [...this.pane.querySelectorAll("[data-keyrow]")].filter(usable);
  }

  setRow(row) {
    if (!row) return;
    this.row?.classList.remove("current");
    this.row = row;
    row.classList.add("current");
  }

  move(step) {
    const rows = this.rows();
    if (!rows.length) return false;
    const at = rows.indexOf(this.row);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
    this.setRow(next);
    (next.querySelector("input:checked") ?? next.querySelector("[data-key], input, button") ?? next).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  press(key) {
    const inside = (scope) => [...(scope?.querySelectorAll(`[data-key="${CSS.escape(key)}"]`) ?? [])].find(usable);
    const row = this.row?.isConnected ? this.row : this.rows()[0];
    const outsideRows = [...this.pane.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((one) => usable(one) && !one.closest("[data-keyrow]"));
    const target = inside(row) ?? outsideRows;
    if (!target) return false;
    target.focus({ preventScroll: true });
    if (!target.matches(TYPING)) target.click();
    target.closest("fieldset")?.scrollIntoView({ block: "nearest" }); // it may have unfolded below the edge
    if (row?.contains(target) && "keyrowNext" in row.dataset) this.move(1);
    return true;
  }

  onKey(event) {
    if (event.isComposing) return;
    const dialog = event.target.closest?.("dialog[open]");
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      event.preventDefault();
      event.stopPropagation();
      if (event.repeat) return;
      if (!dialog) this.submit();
      else if (event.target.matches(TYPING) && event.target.form?.method === "post") event.target.form.requestSubmit();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || dialog) return;
    if (event.target.closest?.(TYPING)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const command = this.commands[event.key];
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };
    if (event.repeat && !(event.key in steps)) return;
    const done = command ? (command(), true) : event.key in steps ? this.move(steps[event.key]) : event.key.length === 1 && this.press(event.key);
    if (done) {
      event.preventDefault();
      event.stopPropagation();
    }
  }
}
