// The answer schema of a campaign: the form's rows to and from the JSON that is sent.

import { Fields } from "./fields.js";

const box = document.getElementById("schema");
const fields = new Fields(box);
fields.fill(JSON.parse(box.dataset.schema));
box.closest("form").addEventListener("submit", () => {
  document.getElementById("id_schema").value = JSON.stringify(fields.payload());
}, true);
