// A file of tasks: sent as it is, then its first rows are shown.

import { sendFile } from "../datasets/upload.js";

const input = document.getElementById("upload");

input?.addEventListener("change", async () => {
  const [file] = input.files;
  if (!file) return;
  const list = document.querySelector("[data-upload-list]");
  const line = document.createElement("li");
  const label = document.createElement("span");
  const bar = document.createElement("progress");
  label.textContent = `Sending ${file.name}`;
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Sending ${file.name}`);
  line.append(label, bar);
  list.replaceChildren(line);
  try {
    const sent = await sendFile(input.closest("[data-upload]").dataset.upload, file, (share) => (bar.value = share));
    document.getElementById("id_upload_hash").value = sent.sha256;
    document.getElementById("import-upload").submit();
  } catch (error) {
    label.textContent = `${file.name}: ${error.message}`;
    bar.remove();
  }
});
