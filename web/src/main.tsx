// Starts the console: theme, session, then the first page.

import "./style.css";
import { render } from "preact";
import { followClicks } from "./router";
import { resume } from "./session";
import { Shell } from "./shell";
import { applyTheme } from "./theme";

applyTheme();
followClicks();
void resume();

const root = document.getElementById("console");
if (root) render(<Shell />, root);
