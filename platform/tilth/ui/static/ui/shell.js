// Everything that the shell does on its own: one small module per habit.
import { start as startBusy } from "./busy.js";
import { start as startConfirm } from "./confirm.js";
import { start as startKeys } from "./keys.js";
import { start as startMenu } from "./menu.js";
import { start as startScroll } from "./scroll.js";
import { start as startToasts } from "./toasts.js";

startConfirm();
startBusy();
startToasts();
startMenu();
startKeys();
startScroll();
