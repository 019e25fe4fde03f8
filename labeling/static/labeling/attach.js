// Files attached to work: sent one after the other, then the page shows them. The draft is saved before.

import { sendFile } from "../datasets/upload.js";

export function start(flush) {
  const box = document.querySelector("[data-attach]");
  const input = document.getElementById("attach");
  input?.addEventListener("change", async () => {
    let sent = 0;
    for (const file of input.files) {
      const line = document.createElement("li");
      line.textContent = `Sending ${file.name}`;
      box.querySelector("[data-attach-list]").append(line);
      try {
        await sendFile(box.dataset.attach, file);
        line.textContent = `${file.name} is here`;
        sent += 1;
      } catch (error) {
        line.textContent = `${file.name}: ${error.message}`;
        line.classList.add("field-error");
      }
    }
    await flush();
    if (sent === input.files.length) location.reload();
  });
}
