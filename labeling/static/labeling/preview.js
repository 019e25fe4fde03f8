// Markdown, LaTeX and code as they will look, rendered by the server, beside the text being written.

import { send } from "./server.js";

const PAUSE_MS = 500;

export function previewer(url) {
  return async (text) => (await send(url, { text })).html;
}

function attach(area, render) {
  if (area.previewed) return;
  area.previewed = true;
  const box = document.createElement("details");
  box.className = "live-preview";
  const summary = document.createElement("summary");
  summary.textContent = "Preview";
  const body = document.createElement("div");
  body.setAttribute("dir", "auto");
  box.append(summary, body);
  area.after(box);
  let timer;
  let shown = null;
  const draw = async () => {
    if (!box.open || shown === area.value) return;
    shown = area.value;
    const wanted = area.value;
    try {
      const html = await render(wanted);
      if (wanted === area.value) body.innerHTML = html; // sanitised on the server; the policy forbids scripts
    } catch {
      shown = null;
      body.textContent = "The preview is not available just now; your text is safe.";
    }
  };
  box.addEventListener("toggle", draw);
  area.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(draw, PAUSE_MS);
  });
  area.redraw = draw;
}

export function watch(root, render) {
  const scan = () => root.querySelectorAll("textarea[data-markdown]").forEach((area) => {
    attach(area, render);
    area.redraw();
  });
  new MutationObserver(scan).observe(root, { childList: true, subtree: true });
  root.addEventListener("tilth:filled", scan);
  scan();
}
