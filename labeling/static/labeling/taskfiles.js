// Files of a task, attached by its leads.

import { start } from "./attach.js";

start(async () => {});
