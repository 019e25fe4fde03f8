// The import form: a file that has arrived is chosen at once; another kind asks for a new preview.

import { uploadFiles } from "./upload.js";

for (const box of document.querySelectorAll("[data-import-upload]")) {
  uploadFiles(box, (upload) => {
    const address = new URL(window.location.href);
    address.search = new URLSearchParams({ upload: upload.sha256 }).toString();
    window.location.assign(address);
  });
}

for (const select of document.querySelectorAll("[data-preview-on-change]")) {
  select.addEventListener("change", () => {
    const button = select.form.querySelector("[data-preview]");
    select.form.requestSubmit(button);
  });
}
