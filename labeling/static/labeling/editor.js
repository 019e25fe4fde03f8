// The editor of a task's kind outside the workspace: where somebody else's answer is made into a better one.

import { Fields } from "./fields.js";
import { previewer, watch } from "./preview.js";

export async function open(pane, { urls, script, changed }) {
  const fields = new Fields(pane);
  const render = previewer(urls.preview);
  watch(pane, render);
  const fill = (payload) => (fields.fill(payload), changed());
  const api = { payload: () => fields.payload(), fill, changed, preview: render, urls };
  if (script) (await import(script)).start(pane, api);
  pane.addEventListener("input", changed);
  return fields;
}

export function focusFirst(pane) {
  (pane.querySelector("textarea:not([readonly])") ?? pane.querySelector("input"))?.focus();
}
